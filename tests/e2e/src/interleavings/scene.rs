//! The world of one interleaving: three masters with one etcd, ten workers, an API server with a little of everything that a drain meets, and
//! a store in memory. Its time is tokio's, so that with paused time waiting costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use slipway_cluster::fake::{FakeApiServer, Pace, TokioClock};
use slipway_coordinator::fleet::{HostRecord, HostState, Hosts};
use slipway_host::fake::{FakeHost, SharedEtcd, State, preset};
use slipway_store::{Memory, Store};
use slipway_types::{Clock, IdGen, Lineage, ManualClock, NodeRole, SequentialIds, Term, Timestamp};
use tempfile::TempDir;

use crate::agents::open_agent;
use crate::local_agents::{LocalAgents, Site};
use crate::sites::{CLUSTER, host_id};
use crate::workload::{VIP, address, fill, machine_id};

/// The masters.
pub const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
/// The workers.
pub const WORKERS: [&str; 10] = ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10"];

/// Everything outside of the coordinators.
pub struct Scene {
    /// The cluster.
    pub api: FakeApiServer,
    /// The etcd of the masters.
    pub etcd: SharedEtcd,
    /// The hosts with their agents.
    pub agents: LocalAgents,
    /// What coordinators keep.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGen>,
    /// Where agents keep their state.
    pub folder: TempDir,
}

/// Every node with its role.
pub fn nodes() -> impl Iterator<Item = (&'static str, NodeRole)> {
    let masters = MASTERS.map(|name| (name, NodeRole::ControlPlane));
    masters.into_iter().chain(WORKERS.map(|name| (name, NodeRole::Worker)))
}

/// The cluster as every interleaving finds it, made once: its clock stands still at their beginning.
fn cluster() -> &'static FakeApiServer {
    static CLUSTER: OnceLock<FakeApiServer> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let clock = Arc::new(ManualClock::at(beginning()));
        let api = FakeApiServer::new(clock.clone());
        fill(&api, pace(), nodes());
        // Pods have become ready.
        for _ in 0..20 {
            clock.advance(Duration::from_millis(5));
            api.tick();
        }
        api
    })
}

fn beginning() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap_or_default()
}

/// The machines as every interleaving finds them, made once.
fn machines() -> &'static BTreeMap<&'static str, State> {
    static MACHINES: OnceLock<BTreeMap<&'static str, State>> = OnceLock::new();
    MACHINES.get_or_init(|| nodes().map(|(name, role)| (name, machine(name, role))).collect())
}

/// A machine as it is before anything happens to it.
fn machine(name: &str, role: NodeRole) -> State {
    let state = match role {
        NodeRole::ControlPlane => preset::with_vip(preset::master(name), VIP, name == "m1"),
        NodeRole::Worker => preset::worker(name),
    };
    State { reset_ms: 20, ..state }
}

impl Scene {
    /// A new one, always the same.
    pub async fn build() -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(TokioClock::at(beginning() + Duration::from_millis(200)));
        let ids: Arc<dyn IdGen> = Arc::new(SequentialIds::default());
        let folder = crate::sites::folder()?;
        let api = cluster().fork(clock.clone());
        let etcd = SharedEtcd::new();
        let store: Arc<dyn Store> = Memory::new(Lineage("simulated".to_owned()));
        let agents = LocalAgents {
            cluster: CLUSTER.to_owned(),
            sites: BTreeMap::new(),
            api: api.clone(),
            wire: crate::link::Wire::default(),
            silent: Arc::default(),
        };
        let mut this = Self { api, etcd, agents, store, clock, ids, folder };
        for (name, role) in nodes() {
            let (_, machine) = FakeHost::sharing(machines()[name].clone(), this.clock.clone(), &this.etcd);
            let core = open_agent(name, &machine, (this.folder.path(), &this.clock, &this.ids)).await?;
            this.agents.sites.insert(
                host_id(name),
                Site { name: name.to_owned(), master: role == NodeRole::ControlPlane, core, machine },
            );
        }
        this.enrol().await?;
        Ok(this)
    }

    async fn enrol(&self) -> anyhow::Result<()> {
        let leadership = self.store.campaign("setup", Term(0)).await?;
        let hosts = Hosts::new(self.store.clone(), leadership.fence);
        for (name, _) in nodes() {
            let record = HostRecord {
                id: host_id(name),
                name: name.to_owned(),
                address: format!("{}:7443", address(name)),
                machine_id: machine_id(name),
                enrolled_ms: 0,
                kubelet_credential: None,
                state: HostState::InService,
            };
            hosts.add(&record).await?;
        }
        Ok(())
    }
}

/// Everything is quick, and leases are renewed so seldom that they cost nothing; a kubelet that is cut off is missed at once.
fn pace() -> Pace {
    let quick = Duration::from_millis(5);
    let (node_grace, heartbeat) = (Duration::ZERO, Duration::from_hours(100));
    Pace { start: quick, exit: quick, detach: quick, node_grace, pod_gc: quick, heartbeat }
}
