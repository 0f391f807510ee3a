//! A real coordinator's parts over a real store that syncs every commit, with agents that are reached over mutual TLS. Only the Kubernetes API
//! is simulated: no step of these benchmarks asks it.

use std::path::Path;
use std::sync::Arc;

use slipway_cluster::fake::FakeApiServer;
use slipway_coordinator::agents::GrpcAgents;
use slipway_coordinator::boot::{Coordinator, Foundation};
use slipway_coordinator::fleet::HostRecord;
use slipway_coordinator::settings::Settings;
use slipway_coordinator::snapshot::Backups;
use slipway_coordinator::versions::Table;
use slipway_identity::Authority;
use slipway_identity::init::Cluster;
use slipway_identity::sealed::BackupKey;
use slipway_net::Connector;
use slipway_store::{Candidate, Sqlite, Store};
use slipway_types::{Clock, IdGen as _, Lineage, RandomIds, Role, SystemClock};

use crate::authority::{self, CLUSTER};

/// One that leads, over a store in `folder` that has `hosts` in it.
pub(crate) async fn lead(authority: &Authority, hosts: &[HostRecord], folder: &Path) -> anyhow::Result<Coordinator> {
    let store: Arc<dyn Store> = Sqlite::open(&folder.join("store.sqlite"), &lineage())?;
    enrol(store.as_ref(), hosts).await?;
    Ok(foundation(authority, "c1", store, folder)?.take_over().await?)
}

/// What the coordinator `name` is made from, over a store that others have seen at work.
pub(crate) fn foundation(
    authority: &Authority,
    name: &str,
    store: Arc<dyn Store>,
    folder: &Path,
) -> anyhow::Result<Foundation> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let connector = Connector::new(authority::current(authority, Role::Coordinator, name)?, clock.clone());
    Ok(Foundation {
        settings: Settings::default().validated()?,
        versions: Table::embedded()?,
        cluster_name: CLUSTER.to_owned(),
        machine_id: None,
        store,
        cluster: FakeApiServer::new(clock.clone()).client(),
        agents: Arc::new(GrpcAgents::new(connector, CLUSTER.to_owned())),
        backups: Arc::new(backups(folder, lineage(), clock.clone())?),
        holder: format!("{name}/{}", RandomIds.next()),
        address: String::new(),
        store_is_live: true,
        accept_old_copy: false,
        ids: Arc::new(RandomIds),
        clock,
    })
}

/// The store that terms are counted in.
pub(crate) fn lineage() -> Lineage {
    Lineage(CLUSTER.to_owned())
}

/// Writes the records as enrolment would, but all at once.
pub(crate) async fn enrol(store: &dyn Store, hosts: &[HostRecord]) -> anyhow::Result<()> {
    let fence = store.campaign(&Candidate::new("setup")).await?.fence;
    let written = hosts.iter().map(|host| async {
        let value = serde_json::to_vec(host)?;
        Ok::<_, anyhow::Error>(store.create(&format!("hosts/{}", host.id), value, &fence).await?)
    });
    futures::future::try_join_all(written).await?;
    Ok(())
}

fn backups(folder: &Path, lineage: Lineage, clock: Arc<dyn Clock>) -> anyhow::Result<Backups> {
    let cluster = Cluster {
        cluster: CLUSTER.to_owned(),
        lineage,
        coordinator: "c1".to_owned(),
        address: "c1:7400".to_owned(),
        ca_hash: String::new(),
        backup_recipient: BackupKey::generate().public(),
        created_ms: 0,
    };
    Ok(Backups::new(folder, &cluster, clock)?)
}
