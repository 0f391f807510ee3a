//! Coordinators of one interleaving: real ones, over the wrapped world. One that crashes leaves nothing behind but what is in the store.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use slipway_cluster::{ClusterApi, OpenGate};
use slipway_coordinator::admission::PoolBudgets;
use slipway_coordinator::boot::Foundation;
use slipway_coordinator::flows::registry;
use slipway_coordinator::settings::Settings;
use slipway_coordinator::snapshot::Backups;
use slipway_coordinator::versions::Table;
use slipway_coordinator::world::World as Inside;
use slipway_errors::Coded;
use slipway_flow::{Journal, Options, Runner};
use slipway_identity::init::Cluster;
use slipway_identity::sealed::BackupKey;
use slipway_store::Store;
use slipway_types::Lineage;

use super::admission::NotedAdmission;
use super::game::World;
use super::hosts::SlowHosts;
use super::server::SlowServer;
use super::store::SlowStore;
use crate::sites::CLUSTER;

/// A coordinator that leads.
#[derive(Clone)]
pub struct Lead {
    /// Its runs.
    pub runner: Runner<Inside>,
}

/// Starts one, which takes the leadership and goes on with what is open.
pub async fn lead(world: Arc<World>, holder: String, budget: u32) -> Result<Lead, Coded> {
    let store: Arc<dyn Store> = Arc::new(SlowStore { inner: world.store.clone(), turns: world.turns.clone() });
    let (api, turns, agents) = (world.api.clone(), world.turns.clone(), world.agents.clone());
    let server = SlowServer { api, turns, agents, planted: world.planted, kept: Arc::default() };
    let hosts = SlowHosts {
        inner: world.agents.clone(),
        etcd: world.etcd.clone(),
        turns: world.turns.clone(),
        notes: world.notes.clone(),
        planted: world.planted,
    };
    let mut settings = Settings::default();
    settings.budget.max_disrupted = budget;
    settings.join.soak_ms = 1000;
    settings.join.canary_ms = 3000;
    (settings.upgrade.settle_ms, settings.upgrade.soak_ms) = (60, 60);
    let foundation = Foundation {
        settings: settings.validated()?,
        versions: Table::embedded()?,
        cluster_name: CLUSTER.to_owned(),
        machine_id: None,
        store: store.clone(),
        cluster: ClusterApi::from_service(server, Arc::new(OpenGate), world.clock.clone()),
        agents: Arc::new(hosts),
        backups: Arc::new(Backups::new(world.folder.path(), &keeper(), world.clock.clone())?),
        holder,
        address: String::new(),
        store_is_live: false,
        accept_old_copy: false,
        ids: world.ids.clone(),
        clock: world.clock.clone(),
    };
    let coordinator = foundation.take_over().await?;
    let journal: Arc<dyn Journal> = store;
    let admission = Arc::new(NotedAdmission {
        inner: PoolBudgets { journal: journal.clone() },
        notes: world.notes.clone(),
        turns: world.turns.clone(),
        planted: world.planted,
    });
    let options = Options { cancel_grace: Duration::from_secs(1), ..Options::default() };
    let (inside, fence) = (coordinator.world, coordinator.leadership.fence);
    let runner = Runner::with_admission(inside, journal, registry(), admission, fence, world.clock.clone(), options);
    runner.recover().await?;
    Ok(Lead { runner })
}

/// Snapshots are kept under a key that nobody has: an interleaving looks at none.
fn keeper() -> Cluster {
    static RECIPIENT: OnceLock<String> = OnceLock::new();
    Cluster {
        cluster: CLUSTER.to_owned(),
        lineage: Lineage("simulated".to_owned()),
        coordinator: "c1".to_owned(),
        address: "c1:7400".to_owned(),
        ca_hash: String::new(),
        backup_recipient: RECIPIENT.get_or_init(|| BackupKey::generate().public()).clone(),
        created_ms: 0,
    }
}
