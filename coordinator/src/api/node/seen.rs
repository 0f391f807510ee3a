//! Everything about one node that can be had in a few seconds. Each part is asked for by itself and has a deadline of its own: whoever is
//! silent costs that part, with its reason, and never the page.

use std::time::Duration;

use slipway_cluster::{Denial, Node, Pod};
use slipway_errors::{Code, Coded};
use slipway_proto::types::{EtcdKind, HostFacts};
use slipway_types::{NodeName, NodeRole};

use crate::endpoints::config_map_texts;
use crate::etcd::{EtcdView, glance};
use crate::fleet::{HostRecord, HostView};
use crate::snapshot::Kept;
use crate::world::World;

/// For each question to the API server. A master's page asks it twice in a row, then etcd: together less than a caller waits.
const API: Duration = Duration::from_secs(2);
/// For the agents, about etcd. An agent gives a member that is down three seconds.
const ETCD: Duration = Duration::from_secs(5);
/// For the folder of snapshots.
const DISK: Duration = Duration::from_secs(2);

/// What was asked for, or why it is not known.
pub(super) type Known<T> = Result<T, Coded>;

/// What was seen of a node.
pub(super) struct Seen {
    /// Its name.
    pub(super) name: NodeName,
    /// The host that serves as it, or served last.
    pub(super) host: Option<HostRecord>,
    /// Why the hosts are not known, if they are not.
    pub(super) store: Known<()>,
    /// How the host was last heard.
    pub(super) view: HostView,
    /// Since when it is silent, if it is.
    pub(super) silent: Option<Duration>,
    /// The Node, if there is one.
    pub(super) node: Known<Option<Node>>,
    /// The pods on it.
    pub(super) pods: Known<Vec<Pod>>,
    /// What of its kubelet is denied.
    pub(super) denial: Known<Option<Denial>>,
    /// More, if it is a master.
    pub(super) master: Option<SeenMaster>,
    /// When this was, milliseconds since 1970.
    pub(super) now_ms: i64,
}

/// What was seen for a master.
pub(super) struct SeenMaster {
    /// All Nodes.
    pub(super) nodes: Known<Vec<Node>>,
    /// etcd.
    pub(super) etcd: Known<EtcdView>,
    /// The texts of the ConfigMaps that say how the API is reached, by name.
    pub(super) texts: Known<Vec<(String, String)>>,
    /// Every enrolled host with what it said last, if it was heard.
    pub(super) hosts: Vec<(String, Option<HostFacts>)>,
    /// The latest snapshot that is kept.
    pub(super) snapshot: Known<Option<Kept>>,
}

impl Seen {
    /// What its host said last.
    pub(super) fn facts(&self) -> Option<&HostFacts> {
        self.view.facts.as_ref()
    }
}

/// Asks everybody.
pub(super) async fn look(world: &World, name: &NodeName) -> Result<Seen, Coded> {
    let hosts = world.hosts.list().await;
    let host = hosts.iter().flatten().filter(|host| host.name == name.as_str()).max_by_key(|host| host.enrolled_ms);
    let view = host.map(|host| world.fleet.view(&host.id)).unwrap_or_default();
    let node = of_api(world.cluster.node(name)).await;
    let answers = node.as_ref().map(drop).map_err(Clone::clone);
    let is_master = is_master(node.as_ref().ok().and_then(Option::as_ref), view.facts.as_ref());
    let (pods, denial, master) = tokio::join!(
        after(&answers, of_api(world.cluster.pods_on(name))),
        after(&answers, of_api(world.cluster.denied_kubelets())),
        async {
            if !is_master {
                return None;
            }
            Some(Box::pin(look_at_master(world, &answers, hosts.as_deref().unwrap_or_default())).await)
        }
    );
    Ok(Seen {
        name: name.clone(),
        silent: host
            .map(|host| world.fleet.silence(&host.id))
            .filter(|silence| silence.as_millis() > u128::from(world.settings.agents.silent_after_ms)),
        host: host.cloned(),
        store: hosts.as_ref().map(drop).map_err(Clone::clone),
        view,
        node,
        pods,
        denial: denial.map(|denied| denied.get(name).cloned()),
        master,
        now_ms: world.clock.now().as_millisecond(),
    })
}

fn is_master(node: Option<&Node>, facts: Option<&HostFacts>) -> bool {
    node.is_some_and(|node| node.role == NodeRole::ControlPlane)
        || facts.is_some_and(|facts| {
            facts.control_plane || !matches!(facts.etcd_kind(), EtcdKind::None | EtcdKind::Unspecified)
        })
}

async fn look_at_master(world: &World, answers: &Known<()>, hosts: &[HostRecord]) -> SeenMaster {
    let members = async {
        let nodes = after(answers, of_api(world.cluster.nodes(None))).await;
        let etcd = glance(world, nodes.as_deref().unwrap_or_default(), ETCD).await;
        (nodes, etcd)
    };
    let snapshot = async {
        let listed = tokio::time::timeout(DISK, world.backups.list()).await;
        let late = || Coded::new(Code::BACKUP_TARGET, "the folder of snapshots could not be read in time");
        listed.unwrap_or_else(|_| Err(late())).map(|kept| kept.into_iter().next())
    };
    let ((nodes, etcd), texts, snapshot) =
        tokio::join!(members, after(answers, of_api(config_map_texts(world))), snapshot);
    let last = |host: &HostRecord| (host.name.clone(), world.fleet.view(&host.id).facts);
    SeenMaster { nodes, etcd, texts, hosts: hosts.iter().map(last).collect(), snapshot }
}

/// Nothing more is asked of an API server that has just not answered.
async fn after<T>(answers: &Known<()>, question: impl Future<Output = Known<T>>) -> Known<T> {
    match answers {
        Ok(()) => question.await,
        Err(error) => Err(error.clone()),
    }
}

async fn of_api<T>(call: impl Future<Output = Result<T, slipway_cluster::Error>>) -> Known<T> {
    let late =
        || Coded::new(Code::KUBE_UNREACHABLE, format!("the API server did not answer within {} s", API.as_secs()));
    // A client's call is large, and several of them side by side would fill a thread's stack.
    tokio::time::timeout(API, Box::pin(call)).await.map_err(|_| late())?.map_err(Coded::from)
}
