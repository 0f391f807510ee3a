//! A Kubernetes API server in memory, for tests, the demo and the crash matrix. It is no second implementation of [`crate::ClusterApi`]: the
//! real client speaks to it, in this process or over HTTP, so what is proved against it is proved of the client's own requests. Its clock is
//! handed in; nothing in it moves by itself except when somebody looks, or when time has passed for whoever is watching.

mod admission;
mod audit;
mod controllers;
#[cfg(test)]
mod dead_host_tests;
mod delete;
mod digest;
mod eviction;
mod failure;
mod faults;
mod http;
mod kinds;
pub mod objects;
mod patch;
mod request;
mod server;
mod service;
#[cfg(test)]
mod tests;
mod time;
mod watch;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use slipway_types::{Clock, NodeRole};

use self::world::World;
use crate::{ClusterApi, OpenGate, WriteGate};

pub use self::audit::AuditEntry;
pub use self::controllers::Pace;
pub use self::failure::Failure;
pub use self::faults::{FaultKind, FaultRule};
pub use self::http::HttpServer;
pub use self::service::{FakeService, Refused};
pub use self::time::TokioClock;

/// The server. Clones share one world.
#[derive(Clone)]
pub struct FakeApiServer {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    world: Mutex<World>,
    pulse: tokio::sync::watch::Sender<Pulse>,
    clock: Arc<dyn Clock>,
}

/// What watchers wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Pulse {
    /// The world's version.
    version: u64,
    /// Counts the cuts of all open connections.
    cuts: u64,
}

impl std::fmt::Debug for FakeApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeApiServer").finish_non_exhaustive()
    }
}

impl FakeApiServer {
    /// An empty cluster with its system namespaces.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let world = World::new(clock.now());
        Self {
            shared: Arc::new(Shared { world: Mutex::new(world), pulse: tokio::sync::watch::Sender::default(), clock }),
        }
    }

    /// Another server whose world is the same by now, and whose time is told by `clock`: thousands of simulations begin alike.
    pub fn fork(&self, clock: Arc<dyn Clock>) -> Self {
        let world = Mutex::new(self.change(|world, _| world.fork()));
        let this = Self { shared: Arc::new(Shared { world, pulse: tokio::sync::watch::Sender::default(), clock }) };
        this.tick();
        this
    }

    /// The real client on top of it, without a socket and with an open gate. Needs a tokio runtime.
    pub fn client(&self) -> ClusterApi {
        self.client_behind(Arc::new(OpenGate))
    }

    /// The real client on top of it, behind a gate.
    pub fn client_behind(&self, gate: Arc<dyn WriteGate>) -> ClusterApi {
        ClusterApi::from_service(self.service(), gate, Arc::clone(&self.shared.clock))
    }

    /// The server as a tower service.
    pub fn service(&self) -> FakeService {
        FakeService::new(Arc::clone(&self.shared))
    }

    /// Serves it over HTTP at that address (port 0 takes a free one), for coordinators in a process of their own.
    pub fn listen(&self, address: std::net::SocketAddr) -> std::io::Result<HttpServer> {
        HttpServer::start(self.clone(), address)
    }

    /// How fast its controllers and kubelets work.
    pub fn set_pace(&self, pace: Pace) {
        self.change(|world, _| (world.pace, world.rest) = (pace, None));
    }

    /// Puts an object in, whatever it is, by its `apiVersion` and `kind`; what is there already is replaced.
    pub fn apply(&self, object: Value) -> Result<Value, Failure> {
        self.change(|world, now| world.apply(object, now))
    }

    /// An object of a resource such as `pods` or `leases.coordination.k8s.io`; the namespace is empty for cluster-wide ones.
    pub fn object(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.change(|world, _| world.find(resource, namespace, name).cloned())
    }

    /// All objects of a resource.
    pub fn objects(&self, resource: &str) -> Vec<Value> {
        self.change(|world, _| world.all(resource).into_iter().cloned().collect())
    }

    /// Changes an object in place, as a controller would. `None` where there is no such object.
    pub fn edit(&self, resource: &str, namespace: &str, name: &str, edit: impl FnOnce(&mut Value)) -> Option<Value> {
        self.change(|world, now| world.edit(resource, namespace, name, now, edit).map(|object| Value::clone(&object)))
    }

    /// Deletes an object as a person with kubectl would, with its own grace.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<(), Failure> {
        self.change(|world, now| world.delete_named(resource, namespace, name, now))
    }

    /// Adds a machine with a running kubelet, which registers its node.
    pub fn add_node(&self, name: &str, role: NodeRole, address: &str, version: &str) {
        self.change(|world, _| world.add_machine(name, role, address, version));
    }

    /// Starts or stops the kubelet of a machine. A running one registers its Node again whenever it is missing, as real ones do after a
    /// restart; the node of a stopped one becomes not ready after a while.
    pub fn kubelet(&self, name: &str, running: bool) {
        self.change(|world, now| world.set_kubelet(name, running, now));
    }

    /// What the API server calls the client certificate of a machine's kubelet; a machine that is added again has another one.
    pub fn credential(&self, name: &str) -> Option<String> {
        self.change(|world, _| world.machines.get(name).map(|machine| machine.credential.clone()))
    }

    /// Lets everything happen that is due by now. Any request does the same.
    pub fn tick(&self) {
        self.change(|_, _| ());
    }

    /// How long it takes until the next step of what is under way (pods that start or end, volumes, garbage), after all that is due by now;
    /// `None` when nothing is.
    pub fn next_step(&self) -> Option<Duration> {
        self.change(|world, now| {
            let due = world.next_step(now)?;
            Some(Duration::try_from(due.duration_since(now)).unwrap_or_default())
        })
    }

    /// From now on it says that it is of that version.
    pub fn says_version(&self, version: &str) {
        self.change(|world, _| world.says_version = Some(version.to_owned()));
    }

    /// Makes the server misbehave, for requests that the rule covers.
    pub fn inject(&self, rule: FaultRule) {
        self.change(|world, _| world.faults.push(rule));
    }

    /// Ends all misbehaviour.
    pub fn heal(&self) {
        self.change(|world, _| world.faults.clear());
    }

    /// Refuses every connection and cuts those that are open, or ends that.
    pub fn set_down(&self, down: bool) {
        self.change(|world, _| world.faults.set_down(down));
        if down {
            self.cut_watches();
        }
    }

    /// Cuts all open watches, as a load balancer does.
    pub fn cut_watches(&self) {
        self.shared.pulse.send_modify(|pulse| pulse.cuts += 1);
    }

    /// Forgets the history: a watch that asks for an older version gets 410.
    pub fn compact(&self) {
        self.change(|world, _| world.compact());
    }

    /// What was asked of the server, oldest first: the witness that is not ours. Reads are left out.
    pub fn audit(&self) -> Vec<AuditEntry> {
        self.change(|world, _| world.audit.writes())
    }

    /// The same without the first `known` of them, for whoever looks after every request.
    pub fn audit_after(&self, known: usize) -> Vec<AuditEntry> {
        self.change(|world, _| world.audit.writes_after(known))
    }

    /// Rises with every change of any object.
    pub fn version(&self) -> u64 {
        self.change(|world, _| world.version())
    }

    /// Shows every object of a resource in place: a copy of each would cost more than most looks at it.
    pub fn each(&self, resource: &str, look: impl FnMut(&Value)) {
        self.change(|world, _| world.all(resource).into_iter().for_each(look));
    }

    /// How many requests there were of a verb and a resource, such as `create` and `pods/eviction`.
    pub fn count(&self, verb: &str, resource: &str) -> u64 {
        self.change(|world, _| world.audit.count(verb, resource))
    }

    /// The state of the world without what differs from run to run: two that are equal mean the same cluster.
    pub fn world_digest(&self) -> String {
        self.change(|world, _| digest::of(world))
    }

    /// The whole world, to be put back by [`Self::restore`].
    pub fn snapshot(&self) -> Value {
        self.change(|world, _| world.snapshot())
    }

    /// Puts a world back. Faults, audit and history stay as they are; watches are told to list anew.
    pub fn restore(&self, snapshot: &Value) -> Result<(), Failure> {
        let restored = self.change(|world, _| world.restore(snapshot));
        self.cut_watches();
        restored
    }

    fn change<T>(&self, change: impl FnOnce(&mut World, slipway_types::Timestamp) -> T) -> T {
        self.shared.change(change)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the world up to now, changes it, lets the controllers answer, and wakes the watchers.
    fn change<T>(&self, change: impl FnOnce(&mut World, slipway_types::Timestamp) -> T) -> T {
        let now = self.clock.now();
        let mut world = self.lock();
        controllers::reconcile(&mut world, now);
        let result = change(&mut world, now);
        controllers::reconcile(&mut world, now);
        let version = world.version();
        drop(world);
        self.pulse.send_if_modified(|pulse| std::mem::replace(&mut pulse.version, version) != version);
        result
    }

    fn next_due(&self) -> Option<Duration> {
        let now = self.clock.now();
        let due = self.lock().next_due(now)?;
        Some(Duration::try_from(due.duration_since(now)).unwrap_or_default())
    }
}
