//! What can be seen of the world from outside: Nodes, pods and requests at the API server, members and changes of etcd, machines and what was
//! done to them. Nothing here is asked of a coordinator or of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use slipway_cluster::fake::AuditEntry;
use slipway_cluster::{CANARY_NAMESPACE, CORDON_OWNER, CORDON_RUN};
use slipway_host::fake::State;
use slipway_host::{Active, Enablement};
use slipway_types::KubernetesVersion;

use super::game::World;
use crate::local_agents::Site;

/// A Node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Which object of that name.
    pub uid: String,
    /// It is Ready.
    pub ready: bool,
    /// It is cordoned.
    pub cordoned: bool,
    /// The run that cordoned it, where our mark is on it.
    pub mark: Option<String>,
    /// A kubelet has been behind it.
    pub registered: bool,
}

impl Node {
    /// Out of service, for whatever reason.
    pub const fn is_out(&self) -> bool {
        !self.ready || self.cordoned
    }
}

/// A pod that somebody would miss.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Where it runs.
    pub node: String,
    /// It is Ready: one that is not may go whatever its budget says.
    pub ready: bool,
    /// It belongs to its node: of a DaemonSet, or the shadow of a static pod.
    pub of_node: bool,
    /// It was made to prove a new node, and nobody's budget counts it.
    pub canary: bool,
}

/// What lets a host into the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// A bootstrap token, with what it says that it is for.
    Token(String),
    /// The certificates of the control plane, or the token that ends with them.
    Certificates,
}

/// A machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Its boot.
    pub boot_id: String,
    /// Which machine it is.
    pub machine_id: String,
    /// Its kubelet runs.
    pub kubelet: bool,
    /// Its kubelet cannot be started.
    pub masked: bool,
    /// There are credentials of a kubelet.
    pub credentials: bool,
    /// Something of Kubernetes runs.
    pub runs: bool,
    /// How often each thing was done to it.
    pub effects: BTreeMap<String, u64>,
    /// The version of the kubelet that runs.
    pub version: Option<KubernetesVersion>,
    /// Images of the static pods that run.
    pub static_pods: BTreeMap<String, String>,
    /// The operation that its agent has begun; empty: none.
    pub open: String,
}

impl Host {
    /// Nothing on it could register a Node again.
    pub const fn is_clean(&self) -> bool {
        !self.kubelet && self.masked && !self.credentials && !self.runs
    }

    /// The version of the API server that runs there.
    pub fn api_server(&self) -> Option<KubernetesVersion> {
        self.static_pods.get("kube-apiserver")?.rsplit_once(':')?.1.parse().ok()
    }
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// It votes.
    pub votes: bool,
    /// It takes part.
    pub healthy: bool,
    /// Its process runs.
    pub runs: bool,
}

/// Everything at one moment.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    /// The line of the story at which it was seen.
    pub at: u64,
    /// The API server's version of it.
    version: u64,
    /// Nodes by name.
    pub nodes: Arc<BTreeMap<String, Node>>,
    /// Pods by uid.
    pub pods: Arc<BTreeMap<String, Pod>>,
    /// How many more pods the budget of `web` lets go.
    pub allowed: i64,
    /// Kubelets that are denied.
    pub denied: Arc<BTreeSet<String>>,
    /// What lets hosts in now.
    pub passes: Arc<Vec<Pass>>,
    /// Machines by name.
    pub hosts: BTreeMap<String, Arc<Host>>,
    /// Hosts that nobody reaches.
    pub silent: Arc<BTreeSet<String>>,
    /// Members of etcd.
    pub members: Vec<Member>,
    /// How often each change of members was made.
    pub changes: Arc<BTreeMap<String, u64>>,
    /// Requests at the API server that took effect since the sight before.
    pub writes: Vec<AuditEntry>,
    audited: usize,
}

impl Sight {
    /// Looks at what may have changed since `self`; at `all` hosts, or at those that were touched.
    pub fn next(&self, world: &World, all: bool) -> Self {
        let mut next = self.clone();
        next.at = world.turns.told();
        next.see_api(world);
        next.see_etcd(world);
        let agents = world.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let touched = std::mem::take(&mut world.notes.kept().touched);
        for site in agents.sites.values() {
            let open = site.core.seen().open;
            let was_open = next.hosts.get(&site.name).is_some_and(|host| !host.open.is_empty());
            if all || was_open || !open.is_empty() || touched.contains(&site.name) {
                next.hosts.insert(site.name.clone(), Arc::new(host(site, open)));
            }
        }
        if all {
            let silent = agents.sites.iter().filter(|(id, _)| agents.is_silent(id));
            next.silent = Arc::new(silent.map(|(_, site)| site.name.clone()).collect());
        }
        next
    }

    fn see_api(&mut self, world: &World) {
        let asked = world.api.audit_after(self.audited);
        self.audited += asked.len();
        self.writes = asked.into_iter().filter(AuditEntry::took_effect).collect();
        let version = world.api.version();
        if version == self.version {
            return;
        }
        self.version = version;
        let (mut nodes, mut pods, mut denied) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        world.api.each("nodes", |object| {
            nodes.insert(text(object, "/metadata/name").to_owned(), node(object));
        });
        world.api.each("pods", |object| {
            if !["Succeeded", "Failed"].contains(&text(object, "/status/phase")) {
                pods.insert(text(object, "/metadata/uid").to_owned(), pod(object));
            }
        });
        world.api.each("poddisruptionbudgets.policy", |object| {
            self.allowed = object.pointer("/status/disruptionsAllowed").and_then(Value::as_i64).unwrap_or_default();
        });
        world.api.each("configmaps", |object| {
            if text(object, "/metadata/name") == slipway_cluster::DENIAL_NAME {
                denied.extend(object["data"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
            }
        });
        let mut passes = Vec::new();
        world.api.each("secrets", |object| passes.extend(pass(object)));
        self.passes = Arc::new(passes);
        (self.nodes, self.pods, self.denied) = (Arc::new(nodes), Arc::new(pods), Arc::new(denied));
    }

    fn see_etcd(&mut self, world: &World) {
        // Only one in a file can fail.
        let _ = world.etcd.with(|cluster| {
            self.members = cluster
                .members
                .iter()
                .map(|member| Member {
                    id: member.id,
                    name: member.name.clone(),
                    votes: !member.learner,
                    healthy: member.is_healthy(),
                    runs: member.runs,
                })
                .collect();
            if *self.changes != cluster.effects {
                self.changes = Arc::new(cluster.effects.clone());
            }
        });
    }

    /// How often `effect` was done to the host of that name.
    pub fn effect(&self, host: &str, effect: &str) -> u64 {
        self.hosts.get(host).and_then(|host| host.effects.get(effect)).copied().unwrap_or_default()
    }
}

fn text<'v>(object: &'v Value, at: &str) -> &'v str {
    object.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

fn node(object: &Value) -> Node {
    let annotations = &object["metadata"]["annotations"];
    let ours = annotations[CORDON_OWNER].is_string();
    Node {
        uid: text(object, "/metadata/uid").to_owned(),
        ready: text(object, "/status/conditions/0/status") == "True",
        cordoned: object["spec"]["unschedulable"] == true,
        mark: ours.then(|| annotations[CORDON_RUN].as_str().unwrap_or_default().to_owned()),
        registered: !object["status"]["nodeInfo"].is_null(),
    }
}

fn pod(object: &Value) -> Pod {
    let of_daemon_set = object["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet";
    let mirror = !object["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
    let ready = text(object, "/status/conditions/0/status") == "True";
    let canary = text(object, "/metadata/namespace") == CANARY_NAMESPACE;
    Pod { node: text(object, "/spec/nodeName").to_owned(), ready, of_node: of_daemon_set || mirror, canary }
}

fn pass(object: &Value) -> Option<Pass> {
    if text(object, "/metadata/name") == "kubeadm-certs" {
        return Some(Pass::Certificates);
    }
    let decoded = BASE64_STANDARD.decode(text(object, "/data/description")).unwrap_or_default();
    let says = String::from_utf8_lossy(&decoded).into_owned();
    let of_certificates = says.starts_with("Proxy for managing TTL for the kubeadm-certs");
    let token = text(object, "/type") == "bootstrap.kubernetes.io/token";
    token.then_some(if of_certificates { Pass::Certificates } else { Pass::Token(says) })
}

fn host(site: &Site, open: String) -> Host {
    site.machine.see(|state| of_state(state, open))
}

fn of_state(state: &State, open: String) -> Host {
    let kubelet = state.units.get("kubelet.service");
    Host {
        boot_id: state.identity.boot_id.clone(),
        machine_id: state.identity.machine_id.clone(),
        kubelet: kubelet.is_some_and(|unit| unit.active == Active::Active),
        masked: kubelet.is_none_or(|unit| unit.enablement == Enablement::Masked),
        credentials: state.files.contains_key(Path::new("/etc/kubernetes/kubelet.conf"))
            || state.files.contains_key(Path::new("/var/lib/kubelet/pki/kubelet-client-current.pem")),
        runs: !state.static_pods.is_empty() && state.processes.iter().any(|process| process.comm == "etcd"),
        version: state.running_kubelet().and_then(|version| version.parse().ok()),
        static_pods: state.pod_images.clone(),
        effects: state.effects.clone(),
        open,
    }
}
