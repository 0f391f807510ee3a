//! What one pod demands of the node that takes it, read once from the object, with a note of every rule that is not weighed.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1 as core;

use super::quantity::Amounts;
use super::requests::{Figure, is_sidecar, of_pod};
use super::rules::{HostPort, NodeTerms, Toleration};
use crate::{Pod, Selector};

const DEFAULT_SCHEDULER: &str = "default-scheduler";
/// A pod takes one of the places that a kubelet offers.
pub(super) const PLACES: &str = "pods";

/// The labels of namespaces, by name.
pub type NamespaceLabels = BTreeMap<String, BTreeMap<String, String>>;

/// A pod and its hard rules.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The pod.
    pub pod: Pod,
    /// What is set aside for it, its place on the node included.
    pub requests: Amounts,
    /// What it may take at most, where it has limits.
    pub limits: Amounts,
    /// `nodeSelector`.
    pub selector: BTreeMap<String, String>,
    /// The required node affinity.
    pub terms: Option<NodeTerms>,
    /// What it puts up with.
    pub tolerations: Vec<Toleration>,
    /// Whom it has to be beside.
    pub near: Vec<Neighbour>,
    /// Whom it must not be beside.
    pub apart: Vec<Neighbour>,
    /// How evenly it has to be spread.
    pub spread: Vec<Spread>,
    /// Ports of the host that it takes.
    pub ports: Vec<HostPort>,
    /// The claims behind its volumes.
    pub claims: Vec<String>,
    /// Where its volumes can be used, once the claims were looked up.
    pub volumes: Vec<VolumePlace>,
    /// Rules that are not weighed.
    pub overlooked: BTreeSet<String>,
}

/// A required pod affinity or anti-affinity term.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Namespaces by name.
    pub namespaces: Vec<String>,
    /// And by their labels.
    pub namespaces_like: Selector,
    /// The pods that are meant.
    pub pods: Selector,
    /// The node label that says what "beside" means.
    pub key: String,
}

impl Neighbour {
    fn read(term: core::PodAffinityTerm, own: &str) -> Self {
        let mut namespaces = term.namespaces.unwrap_or_default();
        if namespaces.is_empty() && term.namespace_selector.is_none() {
            namespaces.push(own.to_owned());
        }
        // The API server has merged the label keys of a term into its selector already.
        Self {
            namespaces,
            namespaces_like: Selector::read(term.namespace_selector),
            pods: Selector::read(term.label_selector),
            key: term.topology_key,
        }
    }

    /// True for a pod that the term speaks of.
    pub fn means(&self, pod: &Pod, labels: &NamespaceLabels) -> bool {
        let namespace = &pod.id.namespace;
        let by_label = || labels.get(namespace).is_some_and(|labels| self.namespaces_like.matches(labels));
        self.pods.matches(&pod.labels) && (self.namespaces.contains(namespace) || by_label())
    }
}

/// A topology spread constraint that forbids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The node label whose values are the domains.
    pub key: String,
    /// How many more pods one domain may have than the emptiest.
    pub max_skew: usize,
    /// With fewer domains than this, the emptiest counts as empty.
    pub min_domains: usize,
    /// The pods that are counted, in the pod's own namespace.
    pub pods: Selector,
    /// Labels whose value has to be the pod's own.
    pub same: BTreeMap<String, String>,
    /// Nodes that the pod's selector and affinity exclude are no domains.
    pub honours_affinity: bool,
    /// Nodes whose taints the pod does not tolerate are no domains.
    pub honours_taints: bool,
}

impl Spread {
    fn read(one: core::TopologySpreadConstraint, labels: &BTreeMap<String, String>) -> Option<Self> {
        let keys = one.match_label_keys.unwrap_or_default();
        (one.when_unsatisfiable == "DoNotSchedule").then(|| Self {
            key: one.topology_key,
            max_skew: usize::try_from(one.max_skew).unwrap_or(1),
            min_domains: one.min_domains.and_then(|least| usize::try_from(least).ok()).unwrap_or(1),
            pods: Selector::read(one.label_selector),
            same: keys.into_iter().filter_map(|key| Some((key.clone(), labels.get(&key)?.clone()))).collect(),
            honours_affinity: one.node_affinity_policy.as_deref() != Some("Ignore"),
            honours_taints: one.node_taints_policy.as_deref() == Some("Honor"),
        })
    }

    /// True for a pod that is counted.
    pub fn counts(&self, pod: &Pod) -> bool {
        pod.deletion.is_none()
            && self.pods.matches(&pod.labels)
            && self.same.iter().all(|(key, value)| pod.labels.get(key) == Some(value))
    }
}

/// Where a volume can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumePlace {
    /// The PersistentVolume.
    pub volume: String,
    /// Its node affinity.
    pub terms: NodeTerms,
}

impl Demand {
    pub(super) fn read(pod: core::Pod) -> Self {
        let spec = pod.spec.clone().unwrap_or_default();
        let pod = Pod::read(pod);
        let mut requests = of_pod(&spec, Figure::Requests);
        requests.retain(|_, amount| *amount > 0);
        requests.insert(PLACES.into(), 1_000);
        let affinity = spec.affinity.clone().unwrap_or_default();
        let neighbours = |terms: Option<Vec<core::PodAffinityTerm>>| {
            terms.unwrap_or_default().into_iter().map(|term| Neighbour::read(term, &pod.id.namespace)).collect()
        };
        let near = neighbours(
            affinity.pod_affinity.clone().and_then(|one| one.required_during_scheduling_ignored_during_execution),
        );
        let apart = neighbours(
            affinity.pod_anti_affinity.clone().and_then(|one| one.required_during_scheduling_ignored_during_execution),
        );
        let required = affinity
            .node_affinity
            .as_ref()
            .and_then(|one| one.required_during_scheduling_ignored_during_execution.clone());
        let spread = spec.topology_spread_constraints.clone().unwrap_or_default();
        let spread = spread.into_iter().filter_map(|one| Spread::read(one, &pod.labels)).collect();
        Self {
            requests,
            limits: of_pod(&spec, Figure::Limits),
            selector: spec.node_selector.clone().unwrap_or_default(),
            terms: required.map(NodeTerms::read),
            tolerations: spec.tolerations.clone().unwrap_or_default().into_iter().map(Toleration::read).collect(),
            near,
            apart,
            spread,
            ports: ports(&spec),
            claims: claims(&spec, &pod),
            volumes: Vec::new(),
            overlooked: overlooked(&spec, &affinity),
            pod,
        }
    }
}

fn ports(spec: &core::PodSpec) -> Vec<HostPort> {
    let host_network = spec.host_network.unwrap_or_default();
    let sidecars = spec.init_containers.iter().flatten().filter(|one| is_sidecar(one));
    let containers = spec.containers.iter().chain(sidecars);
    let ports = containers.flat_map(|one| one.ports.iter().flatten());
    ports.filter_map(|port| HostPort::read(port, host_network)).collect()
}

/// The claims that the pod names, and those that are made for it alone.
fn claims(spec: &core::PodSpec, pod: &Pod) -> Vec<String> {
    let own = spec.volumes.iter().flatten().filter(|volume| volume.ephemeral.is_some());
    pod.claims.iter().cloned().chain(own.map(|volume| format!("{}-{}", pod.id.name, volume.name))).collect()
}

fn overlooked(spec: &core::PodSpec, affinity: &core::Affinity) -> BTreeSet<String> {
    let prefers = affinity
        .node_affinity
        .as_ref()
        .is_some_and(|one| one.preferred_during_scheduling_ignored_during_execution.is_some())
        || affinity
            .pod_affinity
            .as_ref()
            .is_some_and(|one| one.preferred_during_scheduling_ignored_during_execution.is_some())
        || affinity
            .pod_anti_affinity
            .as_ref()
            .is_some_and(|one| one.preferred_during_scheduling_ignored_during_execution.is_some());
    let soft = spec.topology_spread_constraints.iter().flatten().any(|one| one.when_unsatisfiable != "DoNotSchedule");
    let scheduler = spec.scheduler_name.as_deref().unwrap_or(DEFAULT_SCHEDULER);
    let rows = [
        (prefers || soft, "preferred affinity and spread".to_owned()),
        (spec.priority.unwrap_or_default() != 0, "priorities and preemption".to_owned()),
        (scheduler != DEFAULT_SCHEDULER, format!("the rules of scheduler {scheduler}")),
        (spec.resource_claims.as_ref().is_some_and(|claims| !claims.is_empty()), "claims of devices".to_owned()),
        (spec.scheduling_gates.as_ref().is_some_and(|gates| !gates.is_empty()), "scheduling gates".to_owned()),
    ];
    rows.into_iter().filter(|(holds, _)| *holds).map(|(_, what)| what).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::{Value, json};

    pub(in crate::capacity) fn demand(value: Value) -> Demand {
        Demand::read(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn a_term_without_namespaces_speaks_of_the_pods_own() {
        let term = |value: Value| {
            let mut term = json!({"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "db"}}});
            term.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
            let pod = demand(json!({"metadata": {"namespace": "shop", "name": "web"}, "spec": {"containers": [],
                "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}}));
            pod.near[0].clone()
        };
        let db = |namespace: &str| {
            crate::pod::tests::pod(json!({"metadata": {"namespace": namespace, "name": "db", "labels": {"app": "db"}}}))
        };
        let labels = NamespaceLabels::from([("data".into(), BTreeMap::from([("team".into(), "x".into())]))]);
        let own = term(json!({}));
        assert!(own.means(&db("shop"), &labels) && !own.means(&db("data"), &labels));
        let named = term(json!({"namespaces": ["data"]}));
        assert!(named.means(&db("data"), &labels) && !named.means(&db("shop"), &labels));
        let like = term(json!({"namespaceSelector": {"matchLabels": {"team": "x"}}}));
        assert!(like.means(&db("data"), &labels) && !like.means(&db("shop"), &labels));
    }

    #[test]
    fn what_is_not_weighed_is_noted() {
        let pod = demand(
            json!({"metadata": {}, "spec": {"containers": [], "priority": 1000, "schedulerName": "volcano",
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]}}),
        );
        assert!(pod.spread.is_empty());
        assert_eq!(
            pod.overlooked.into_iter().collect::<Vec<_>>(),
            ["preferred affinity and spread", "priorities and preemption", "the rules of scheduler volcano"]
        );
    }

    #[test]
    fn ports_of_the_host_and_claims_of_its_own_are_found() {
        let pod = demand(json!({"metadata": {"name": "web-0"}, "spec": {"hostNetwork": true,
            "containers": [{"name": "c", "ports": [{"containerPort": 80}]}],
            "initContainers": [{"name": "i", "ports": [{"containerPort": 81}]}, {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 82}]}],
            "volumes": [{"name": "scratch", "ephemeral": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]}}));
        assert_eq!(pod.ports.iter().map(|port| port.port).collect::<Vec<_>>(), [80, 82]);
        assert_eq!(pod.claims, ["data-0", "web-0-scratch"]);
        assert_eq!(pod.requests, Amounts::from([(PLACES.into(), 1_000)]));
    }
}
