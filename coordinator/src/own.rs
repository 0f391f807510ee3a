//! What a coordinator is and where it keeps its state: identity, certificate for the store's etcd, and the store itself, opened or moved.

use std::path::Path;
use std::sync::Arc;

use slipway_coordinator::settings::Settings;
use slipway_errors::{Code, Coded};
use slipway_identity::init::{Cluster, coordinator_identity};
use slipway_identity::store::{FOLDER, store_certificate};
use slipway_identity::tls::CurrentIdentity;
use slipway_store::signs::LEASE;
use slipway_store::{Error as StoreError, EtcdTls, Store, Url, move_all};
use slipway_types::{Clock, IdGen, RandomIds, SystemClock};

/// What it is.
pub(crate) struct Own {
    pub(crate) cluster: Cluster,
    pub(crate) identity: Arc<CurrentIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
}

impl Own {
    /// As it lies in the folder of the settings.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Coded> {
        let (clock, folder): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), &settings.state_dir);
        let cluster = Cluster::load(folder).map_err(|error| {
            Coded::new(Code::CONF_UNREADABLE, format!("no identity in {}: {error}", folder.display()))
                .do_this("slipway init makes one")
        })?;
        let identity = CurrentIdentity::new(coordinator_identity(folder, clock.as_ref())?)?;
        Ok(Self { cluster, identity, clock, ids: Arc::new(RandomIds) })
    }
}

/// What this machine calls itself.
pub(crate) fn machine_id() -> Option<String> {
    std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned())
}

/// The store at `url`.
pub(crate) async fn open(settings: &Settings, own: &Own, url: &str) -> Result<Arc<dyn Store>, Coded> {
    let url: Url = url.parse()?;
    if matches!(url, Url::Etcd(_)) {
        store_certificate(&settings.state_dir, own.clock.as_ref())?;
    }
    let tls = || store_tls(&settings.state_dir);
    Ok(slipway_store::open(&url, &own.cluster.lineage, tls, own.clock.clone()).await?)
}

/// What this coordinator shows the members of the store's etcd.
fn store_tls(folder: &Path) -> Result<EtcdTls, StoreError> {
    let read = |name: &str| {
        let path = folder.join(FOLDER).join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| StoreError::Refused(format!("cannot read {}: {error}", path.display())))
    };
    Ok(EtcdTls { ca: read("root.pem")?, certificate: read("chain.pem")?, key: read("key.pem")? })
}

/// Moves everything to the store at `url`. Whoever leads meanwhile loses its leadership, and does nothing more here.
pub(crate) async fn move_store(settings: &Settings, url: &str) -> Result<(), Coded> {
    let own = Own::load(settings)?;
    let (from, to) = (open(settings, &own, &settings.store).await?, open(settings, &own, url).await?);
    let holder = format!("{}/{}", own.cluster.coordinator, own.ids.next());
    let moved = move_all(from.as_ref(), to.as_ref(), (&holder, url)).await?;
    println!("moved {} records and {} runs with {} entries to {url}", moved.records, moved.runs, moved.entries);
    println!("next: store = \"{url}\" in the settings of every coordinator; then start them");
    Ok(())
}

/// Where this coordinator has a certificate for the store's etcd, which reads it anew for each connection.
pub(crate) fn renew_of_store(folder: &Path, clock: &dyn Clock) -> Result<(), Coded> {
    if folder.join(FOLDER).is_dir() && store_certificate(folder, clock)? {
        tracing::info!("the certificate for the store's etcd is a new one");
    }
    Ok(())
}

/// Says that this coordinator's process is gone, where it led: systemd asks for it once it is certain, however the process ended. Others need not
/// wait until a lease has run out.
pub(crate) async fn resign(settings: &Settings) -> Result<(), Coded> {
    if !matches!(settings.store.parse()?, Url::Etcd(_)) {
        return Ok(());
    }
    let own = Own::load(settings)?;
    let told = async {
        let store = open(settings, &own, &settings.store).await?;
        let leader = store.high_water().await?;
        if leader.holder.starts_with(&format!("{}/", own.cluster.coordinator)) {
            store.resign(&leader.fence()).await?;
        }
        Ok(())
    };
    // Later its lease has run out by itself, and the unit waits for this before it starts the next process.
    tokio::time::timeout(LEASE, told).await.unwrap_or(Ok(()))
}
