//! The world of one interleaving: three masters with one etcd, ten workers, three hosts that wait to be joined, an API server with a little of
//! everything that a drain meets, and a store in memory. Its time is tokio's, so that with paused time waiting costs nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use slipway_cluster::fake::{FakeApiServer, Pace, TokioClock};
use slipway_coordinator::fleet::{HostRecord, HostState, Hosts};
use slipway_host::fake::{FakeHost, SharedEtcd, State, preset};
use slipway_store::{Candidate, Memory, Store};
use slipway_types::{Clock, IdGen, Lineage, ManualClock, NodeRole, SequentialIds, Timestamp};
use tempfile::TempDir;

use super::chance::Chance;
use crate::agents::open_agent;
use crate::local_agents::{LocalAgents, Site};
use crate::sites::{CLUSTER, host_id};
use crate::upgrades::{upgraded, upgraded_by_agent};
use crate::workload::{VIP, add_node, address, fill, machine_id};

/// The masters.
pub const MASTERS: [&str; 3] = ["m1", "m2", "m3"];
/// The workers.
pub const WORKERS: [&str; 10] = ["w1", "w2", "w3", "w4", "w5", "w6", "w7", "w8", "w9", "w10"];

/// Hosts that wait: one with packages, a bare one, and one that can become a master.
pub const NEWCOMERS: [&str; 3] = ["w11", "w12", "m4"];
/// The worker that an agent has upgraded where the masters are.
pub const UPGRADED: &str = "w4";

/// Whether that is, or may become, a master.
pub fn is_master(name: &str) -> bool {
    name.starts_with('m')
}

/// How far the cluster has come on its way to the next release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// No node was upgraded.
    Old,
    /// All masters but the first were.
    OneMasterLeft,
    /// All masters were, and a worker.
    MastersDone,
}

impl Era {
    /// One of them.
    pub fn draw(chance: &mut Chance) -> Self {
        match chance.below(100) {
            0..40 => Self::Old,
            40..65 => Self::OneMasterLeft,
            _ => Self::MastersDone,
        }
    }

    /// What was done to a machine before the beginning.
    fn of(self, name: &str) -> Option<fn(&mut State)> {
        match (self, name) {
            (Self::OneMasterLeft, "m2" | "m3") | (Self::MastersDone, "m1" | "m2" | "m3") => Some(upgraded),
            (Self::MastersDone, UPGRADED) => Some(upgraded_by_agent),
            _ => None,
        }
    }
}

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

fn role(name: &str) -> NodeRole {
    if is_master(name) { NodeRole::ControlPlane } else { NodeRole::Worker }
}

/// Every node with its role.
fn nodes() -> impl Iterator<Item = (&'static str, NodeRole)> {
    MASTERS.into_iter().chain(WORKERS).map(|name| (name, role(name)))
}

/// Every host with its role.
fn hosts() -> impl Iterator<Item = (&'static str, NodeRole)> {
    nodes().chain(NEWCOMERS.map(|name| (name, role(name))))
}

/// The cluster as every interleaving finds it, made once: its clock stands still at their beginning.
fn cluster() -> &'static FakeApiServer {
    static CLUSTER: OnceLock<FakeApiServer> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let clock = Arc::new(ManualClock::at(beginning()));
        let api = FakeApiServer::new(clock.clone());
        fill(&api, pace(), nodes());
        for name in NEWCOMERS {
            // What it registers as is known from here on; it has no Node yet.
            add_node(&api, name, role(name));
            api.kubelet(name, false);
            let _ = api.delete("nodes", "", name);
        }
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
    MACHINES.get_or_init(|| hosts().map(|(name, role)| (name, machine(name, role))).collect())
}

/// A machine as it is before anything happens to it.
fn machine(name: &str, role: NodeRole) -> State {
    let state = match role {
        _ if name == "w12" => preset::bare(name),
        NodeRole::ControlPlane if NEWCOMERS.contains(&name) => preset::with_idle_keepalived(preset::waiting(name), VIP),
        NodeRole::Worker if NEWCOMERS.contains(&name) => preset::waiting(name),
        NodeRole::ControlPlane => preset::with_vip(preset::master(name), VIP, name == "m1"),
        NodeRole::Worker => preset::worker(name),
    };
    State { reset_ms: 20, ..state }
}

impl Scene {
    /// A new one, always the same in one era.
    pub async fn build(era: Era) -> anyhow::Result<Self> {
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
            followed: Arc::default(),
        };
        let mut this = Self { api, etcd, agents, store, clock, ids, folder };
        for (name, role) in hosts() {
            let (_, machine) = FakeHost::sharing(machines()[name].clone(), this.clock.clone(), &this.etcd);
            if let Some(done) = era.of(name) {
                machine.change(done);
            }
            let core = open_agent(name, &machine, (this.folder.path(), &this.clock, &this.ids)).await?;
            this.agents.sites.insert(
                host_id(name),
                Site { name: name.to_owned(), master: role == NodeRole::ControlPlane, core, machine },
            );
        }
        if era != Era::Old {
            this.agents.keep_in_step();
        }
        this.enrol().await?;
        Ok(this)
    }

    async fn enrol(&self) -> anyhow::Result<()> {
        let leadership = self.store.campaign(&Candidate::new("setup")).await?;
        let records = Hosts::new(self.store.clone(), leadership.fence);
        for (name, _) in hosts() {
            let record = HostRecord {
                id: host_id(name),
                name: name.to_owned(),
                address: format!("{}:7443", address(name)),
                machine_id: machine_id(name),
                enrolled_ms: 0,
                kubelet_credential: None,
                state: if NEWCOMERS.contains(&name) { HostState::Waiting } else { HostState::InService },
            };
            records.add(&record).await?;
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
