//! A simulated cluster with a simulated host and a real agent for each node, and a real coordinator over them; everything that a test needs to
//! kill the coordinator and start it again on the same store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use slipway_cluster::fake::FakeApiServer;
use slipway_coordinator::boot::{Coordinator, Foundation};
use slipway_coordinator::fleet::{HostRecord, HostState, Hosts, Watcher};
use slipway_coordinator::settings::Settings;
use slipway_coordinator::snapshot::Backups;
use slipway_coordinator::versions::Table;
use slipway_host::fake::{FakeHost, Member, SharedEtcd, State, preset};
use slipway_identity::init::Cluster;
use slipway_identity::sealed::BackupKey;
use slipway_store::{Candidate, Sqlite, Store};
use slipway_types::{Clock, HostId, IdGen, Lineage, NodeRole, RandomIds, SystemClock};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agents::open_agent;
use crate::local_agents::{LocalAgents, Site};
use crate::workload;

/// The id of the member that [`Sites::add_unnamed_member`] adds.
pub const UNNAMED: u64 = 0x0123_4567_89ab_cdef;
/// The cluster's name.
pub const CLUSTER: &str = "simulated";

/// Everything outside the coordinator: it lives on when the coordinator dies.
pub struct Sites {
    /// The cluster.
    pub api: FakeApiServer,
    /// The hosts.
    pub agents: LocalAgents,
    /// The etcd that the masters share.
    pub etcd: SharedEtcd,
    /// Where the store lies.
    folder: TempDir,
}

/// A coordinator that hears the hosts.
pub struct Listening {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Listening {
    /// It hears nothing any more, and has written all that it will.
    pub async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A host that a kubeadm reset takes `reset_ms` on.
fn machine(name: &str, role: NodeRole, reset_ms: u64) -> State {
    let state = match role {
        NodeRole::ControlPlane => preset::with_vip(preset::master(name), workload::VIP, name == "m1"),
        NodeRole::Worker => preset::worker(name),
    };
    State { reset_ms, ..state }
}

/// Every node: those that everybody sees, and more masters.
fn nodes() -> impl Iterator<Item = (&'static str, NodeRole)> {
    workload::NODES.into_iter().chain(workload::MORE_MASTERS.map(|name| (name, NodeRole::ControlPlane)))
}

impl Sites {
    /// A cluster as in [`workload`], with agents on all nodes and their hosts enrolled.
    pub async fn build() -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdGen> = Arc::new(RandomIds);
        let folder = folder()?;
        let api = FakeApiServer::new(clock.clone());
        workload::fill(&api, workload::quick(), workload::NODES);
        for name in workload::MORE_MASTERS {
            workload::add_node(&api, name, NodeRole::ControlPlane);
        }
        let etcd = SharedEtcd::new();
        let mut sites = BTreeMap::new();
        for (name, role) in nodes() {
            let (_, handle) = FakeHost::sharing(machine(name, role, 20), clock.clone(), &etcd);
            let core = open_agent(name, &handle, (folder.path(), &clock, &ids)).await?;
            sites.insert(
                host_id(name),
                Site { name: name.to_owned(), master: role == NodeRole::ControlPlane, core, machine: handle },
            );
        }
        let agents = LocalAgents {
            cluster: CLUSTER.to_owned(),
            sites,
            api: api.clone(),
            wire: crate::link::Wire::default(),
            silent: Arc::default(),
            followed: Arc::default(),
        };
        let this = Self { api, agents, etcd, folder };
        this.enrol().await?;
        Ok(this)
    }

    async fn enrol(&self) -> anyhow::Result<()> {
        let store = self.store()?;
        let leadership = store.campaign(&Candidate::new("setup")).await?;
        let hosts = Hosts::new(store, leadership.fence);
        for (name, _) in nodes() {
            let address = format!("{}:7443", workload::address(name));
            let machine_id = workload::machine_id(name);
            let (id, name, state) = (host_id(name), name.to_owned(), HostState::InService);
            let kubelet_credential = None;
            hosts.add(&HostRecord { id, name, address, machine_id, enrolled_ms: 0, state, kubelet_credential }).await?;
        }
        Ok(())
    }

    /// The store, opened anew.
    pub fn store(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(Sqlite::open(&self.folder.path().join("store.sqlite"), &Lineage("simulated".to_owned()))?)
    }

    /// A coordinator over `store`, leading under a new term and going on with every open run.
    pub async fn coordinator(&self, store: Arc<dyn Store>) -> anyhow::Result<Coordinator> {
        Ok(self.foundation(store)?.lead().await?)
    }

    /// What a coordinator over `store` is made from.
    pub fn foundation(&self, store: Arc<dyn Store>) -> anyhow::Result<Foundation> {
        let ids: Arc<dyn IdGen> = Arc::new(RandomIds);
        Ok(Foundation {
            settings: settings().validated()?,
            versions: Table::embedded()?,
            cluster_name: CLUSTER.to_owned(),
            machine_id: None,
            store,
            cluster: self.api.client(),
            agents: Arc::new(self.agents.clone()),
            backups: Arc::new(self.backups()?),
            holder: format!("c1/{}", ids.next()),
            address: String::new(),
            store_is_live: false,
            accept_old_copy: false,
            ids,
            clock: Arc::new(SystemClock),
        })
    }

    /// Lets a coordinator hear the hosts, as its program does.
    pub fn listen(&self, coordinator: &Coordinator) -> Listening {
        let listening = Listening { stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let watcher = Watcher {
            hosts: coordinator.world.hosts.clone(),
            fleet: coordinator.world.fleet.clone(),
            agents: coordinator.world.agents.clone(),
            interval_ms: 250,
        };
        listening.tasks.spawn(watcher.run(listening.tasks.clone(), listening.stop.clone()));
        listening
    }

    /// Keeps snapshots beside the store, under a key that nobody has: tests look at what is listed.
    fn backups(&self) -> anyhow::Result<Backups> {
        let cluster = Cluster {
            cluster: CLUSTER.to_owned(),
            lineage: Lineage("simulated".to_owned()),
            coordinator: "c1".to_owned(),
            address: "c1:7400".to_owned(),
            ca_hash: String::new(),
            backup_recipient: BackupKey::generate().public(),
            created_ms: 0,
        };
        Ok(Backups::new(self.folder.path(), &cluster, Arc::new(SystemClock))?)
    }

    /// Notes what the host of that name is for, as a run before would have done.
    pub async fn mark(&self, name: &str, state: HostState) -> anyhow::Result<()> {
        let store = self.store()?;
        let leadership = store.campaign(&Candidate::new("setup")).await?;
        Ok(Hosts::new(store, leadership.fence).set_state(&host_id(name), state).await?)
    }

    /// Takes a node out as a removal would have: its host is clean and waits, and nothing of it is left in the cluster.
    pub async fn waiting(&self, name: &str) -> anyhow::Result<()> {
        self.taken_out(name, preset::waiting(name)).await
    }

    /// The same with a host that has nothing of Kubernetes on it, not even packages.
    pub async fn bare(&self, name: &str) -> anyhow::Result<()> {
        self.taken_out(name, preset::bare(name)).await
    }

    async fn taken_out(&self, name: &str, host: State) -> anyhow::Result<()> {
        self.site(name)?.machine.change(|state| *state = host);
        self.agents.keep_in_step();
        for pod in self.api.objects("pods").into_iter().filter(|pod| pod["spec"]["nodeName"] == name) {
            let of = |key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
            self.api.delete("pods", &of("namespace"), &of("name")).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        }
        self.api.delete("nodes", "", name).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        self.api.tick();
        self.mark(name, HostState::Waiting).await
    }

    /// The same for a master: its member has left etcd too, and its keepalived stands still.
    pub async fn waiting_master(&self, name: &str) -> anyhow::Result<()> {
        self.master_taken_out(name, preset::waiting(name)).await
    }

    /// The same with a host that has nothing of Kubernetes on it.
    pub async fn bare_master(&self, name: &str) -> anyhow::Result<()> {
        self.master_taken_out(name, preset::bare(name)).await
    }

    async fn master_taken_out(&self, name: &str, host: State) -> anyhow::Result<()> {
        self.taken_out(name, preset::with_idle_keepalived(host, workload::VIP)).await?;
        Ok(self.etcd.with(|cluster| cluster.members.retain(|member| member.name != name))?)
    }

    /// Waits until every pod has started and nothing else is under way: what is said of budgets, and what the cluster is like, would otherwise
    /// depend on the moment.
    pub async fn settled(&self) -> anyhow::Result<()> {
        for _ in 0..500 {
            let Some(step) = self.api.next_step() else { return Ok(()) };
            tokio::time::sleep(step).await;
        }
        anyhow::bail!("the simulated cluster does not come to rest")
    }

    /// Cuts the power of a host, as seen from outside: its agent is silent and its kubelet says nothing; or gives it back.
    pub fn silence(&self, name: &str, silent: bool) {
        self.agents.set_silent(&host_id(name), silent);
        self.api.kubelet(name, !silent);
        self.api.edit("nodes", "", name, |node| {
            let status = if silent { "Unknown" } else { "True" };
            node["status"]["conditions"] = serde_json::json!([{"type": "Ready", "status": status}]);
        });
    }

    /// Adds a member to etcd that never starts, as a join leaves it that is broken off.
    pub fn add_unnamed_member(&self, peer_url: &str) {
        let member = Member { id: UNNAMED, peer_urls: vec![peer_url.to_owned()], ..Member::default() };
        // The place in memory cannot fail.
        let _ = self.etcd.with(|cluster| cluster.members.push(member));
    }

    /// The simulated machine of that name.
    pub fn site(&self, name: &str) -> anyhow::Result<&Site> {
        self.agents.sites.get(&host_id(name)).with_context(|| format!("no host {name}"))
    }

    /// Where the store lies.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Those of a new installation, but quicker to find whether a node stays Ready.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.join.soak_ms = 1000;
    (settings.upgrade.settle_ms, settings.upgrade.soak_ms) = (60, 60);
    settings.join.canary_ms = 3000;
    settings
}

/// The id of the host of that name.
pub fn host_id(name: &str) -> HostId {
    HostId(format!("host-{name}"))
}

/// In memory where the machine has such a place: thousands of flushes would otherwise measure its disk.
pub(crate) fn folder() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.context("a folder for the store")
}
