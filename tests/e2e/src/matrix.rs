//! The crash matrix of the coordinator's own flows: real engine, real SQLite, real agents; machines and API server simulated. Effects are
//! counted by the machines and by the API server's audit log.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use slipway_cluster::DENIAL_NAME;
use slipway_cluster::fake::FakeApiServer;
use slipway_coordinator::admission::PoolBudgets;
use slipway_coordinator::boot::Coordinator;
use slipway_flow::matrix::{MatrixWorld, Rig, Scene};

use crate::adapt::{AdmissionOn, Seen};
use crate::sites::Sites;

/// What is outside of the coordinator.
pub struct Outside(Arc<Sites>);

/// What is put into a scene before the flow begins.
pub type Prepare = for<'a> fn(&'a Sites) -> BoxFuture<'a, ()>;

/// Builds scenes with [`Sites`].
pub struct FakeWorldRig {
    /// What is put into each scene before the flow begins.
    pub prepare: Prepare,
    /// An effect is counted twice on purpose: the matrix has to notice.
    pub planted: bool,
}

impl MatrixWorld for Seen<Outside> {
    fn digest(&self) -> String {
        let sites = &self.outside.0;
        sites.agents.keep_in_step();
        let holders: usize = sites.agents.sites.values().map(|site| site.machine.see(crate::remains::holds)).sum();
        let machines: BTreeMap<&str, String> = sites
            .agents
            .sites
            .values()
            .map(|site| (site.name.as_str(), format!("{:?}", crate::remains::without(site.machine.state()))))
            .collect();
        let members: Vec<String> = sites
            .etcd
            .cluster()
            .members
            .iter()
            .map(|member| format!("{} {} {}", member.name, member.runs, member.learner))
            .collect();
        format!("{machines:?}\nheld by {holders}\n{members:?}\n{}", cluster(&sites.api))
    }

    fn effects(&self) -> BTreeMap<String, u32> {
        let sites = &self.outside.0;
        let mut effects = BTreeMap::new();
        for site in sites.agents.sites.values() {
            // What lies in memory for as long as a command runs is named after the attempt, and holds a token that is always another.
            // An upload of certificates is made again under a key of its own by each attempt; the agent's own books, and lists that are read
            // again, are no effect on the host.
            let of_one_attempt = |effect: &str| {
                effect.contains(crate::remains::SCRATCH)
                    || effect.contains("/var/lib/slipway/")
                    || effect.ends_with("apt-get update")
                    || effect == "run /usr/bin/kubeadm init"
            };
            let seen = site.machine.see(|state| state.effects.clone());
            for (effect, count) in seen.into_iter().filter(|(effect, _)| !of_one_attempt(effect)) {
                effects.insert(format!("{}: {effect}", site.name), u32::try_from(count).unwrap_or(u32::MAX));
            }
        }
        for (effect, count) in sites.etcd.all_effects() {
            effects.insert(effect, u32::try_from(count).unwrap_or(u32::MAX));
        }
        // A pod that an eviction removes has a new name each time it is made again, so only what is about nodes can be compared by name.
        for entry in sites.api.audit() {
            if entry.verb == "delete" && entry.status < 300 && entry.resource == "nodes" {
                *effects.entry(format!("api: {} {} {}", entry.verb, entry.resource, entry.name)).or_default() += 1;
            }
        }
        effects
    }
}

/// The cluster without what no undoing brings back and no run decides: where evicted pods were put, and what follows from that. Pods that are
/// left on a cordoned node count: a drain has to be complete.
fn cluster(api: &FakeApiServer) -> String {
    let mut digest: Value = serde_json::from_str(&api.world_digest()).unwrap_or_default();
    digest["pods"] = Value::Null;
    if let Some(objects) = digest["objects"].as_object_mut() {
        // The policy stays once it was needed; it denies nobody without an entry in its list.
        objects.retain(|key, object| {
            !key.contains(DENIAL_NAME) || object["data"].as_object().is_some_and(|entries| !entries.is_empty())
        });
        for (key, object) in objects {
            if key.contains(".apps/") || key.contains("poddisruptionbudgets") {
                object["status"] = Value::Null;
            }
        }
    }
    let cordoned: Vec<Value> =
        api.objects("nodes").into_iter().filter(|node| node["spec"]["unschedulable"] == true).collect();
    let on_cordoned = |pod: &&Value| cordoned.iter().any(|node| node["metadata"]["name"] == pod["spec"]["nodeName"]);
    let pods = api.objects("pods");
    let left: std::collections::BTreeSet<String> =
        pods.iter().filter(on_cordoned).map(|pod| format!("{}", pod["metadata"]["labels"]["app"])).collect();
    format!("{digest}\non cordoned nodes: {left:?}")
}

fn scene(sites: Arc<Sites>, coordinator: Coordinator) -> Scene<Seen<Outside>> {
    let journal: Arc<dyn slipway_flow::Journal> = coordinator.runs.store.clone();
    Scene {
        world: Arc::new(Seen { world: coordinator.world.clone(), outside: Outside(sites) }),
        admission: Arc::new(AdmissionOn(PoolBudgets { journal: journal.clone() })),
        fence: coordinator.leadership.fence.clone(),
        journal,
    }
}

impl FakeWorldRig {
    #[expect(
        clippy::expect_used,
        reason = "a rig that cannot be built is a failed test, and the kit has no other way to say so"
    )]
    async fn lead(sites: Arc<Sites>) -> Scene<Seen<Outside>> {
        let store = sites.store().expect("the store opens");
        // The kit takes the runs up itself.
        let coordinator =
            sites.foundation(store).expect("the settings are valid").take_over().await.expect("the coordinator leads");
        scene(sites, coordinator)
    }
}

#[async_trait]
impl Rig for FakeWorldRig {
    type World = Seen<Outside>;

    #[expect(clippy::expect_used, reason = "as above")]
    async fn fresh(&self) -> Scene<Self::World> {
        let sites = Arc::new(Sites::build().await.expect("the sites are built"));
        (self.prepare)(&sites).await;
        Self::lead(sites).await
    }

    async fn crash_and_reopen(&self, scene: Scene<Self::World>) -> Scene<Self::World> {
        let sites = scene.world.outside.0.clone();
        if self.planted
            && let Ok(site) = sites.site("w2")
        {
            site.machine.change(|state| state.witness("run /usr/bin/kubeadm reset"));
        }
        drop(scene);
        Self::lead(sites).await
    }
}
