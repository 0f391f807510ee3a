//! The rules between one pod and one node that do not depend on who else is there: selectors, required node affinity, taints, ports.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use crate::{NodeTaint, Selector};

const NAME_FIELD: &str = "metadata.name";

/// Terms of which one has to hold: a required node affinity, of a pod or of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeTerms(Vec<NodeTerm>);

/// Conditions on one node, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NodeTerm {
    labels: Selector,
    /// Label, `true` for greater, and the bound.
    bounds: Vec<(String, bool, i64)>,
    fields: Selector,
}

impl NodeTerms {
    pub(super) fn read(selector: core::NodeSelector) -> Self {
        Self(selector.node_selector_terms.into_iter().map(NodeTerm::read).collect())
    }

    /// True for a node of that name with those labels.
    pub fn hold(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().any(|term| term.holds(name, labels))
    }
}

impl NodeTerm {
    fn read(term: core::NodeSelectorTerm) -> Self {
        let (expressions, fields) = (term.match_expressions.unwrap_or_default(), term.match_fields.unwrap_or_default());
        if expressions.is_empty() && fields.is_empty() {
            // A term without conditions matches no node, unlike an empty selector.
            return Self { labels: Selector::nothing(), bounds: Vec::new(), fields: Selector::everything() };
        }
        let (numeric, plain): (Vec<_>, Vec<_>) =
            expressions.into_iter().partition(|one| ["Gt", "Lt"].contains(&one.operator.as_str()));
        let readable: Vec<_> = numeric.iter().filter_map(read_bound).collect();
        let labels = if readable.len() == numeric.len() { selector(plain) } else { Selector::nothing() };
        Self { labels, bounds: readable, fields: selector(fields) }
    }

    fn holds(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let within = |(key, greater, bound): &(String, bool, i64)| {
            let value = labels.get(key).and_then(|value| value.parse::<i64>().ok());
            value.is_some_and(|value| if *greater { value > *bound } else { value < *bound })
        };
        let fields = BTreeMap::from([(NAME_FIELD.to_owned(), name.to_owned())]);
        self.labels.matches(labels) && self.fields.matches(&fields) && self.bounds.iter().all(within)
    }
}

fn read_bound(one: &core::NodeSelectorRequirement) -> Option<(String, bool, i64)> {
    let bound = one.values.as_ref()?.first()?.parse().ok()?;
    Some((one.key.clone(), one.operator == "Gt", bound))
}

fn selector(requirements: Vec<core::NodeSelectorRequirement>) -> Selector {
    let same = |one: core::NodeSelectorRequirement| LabelSelectorRequirement {
        key: one.key,
        operator: one.operator,
        values: one.values,
    };
    let match_expressions = Some(requirements.into_iter().map(same).collect());
    Selector::read(Some(LabelSelector { match_expressions, match_labels: None }))
}

/// What a pod puts up with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Toleration {
    key: String,
    /// `None` where any value will do.
    value: Option<String>,
    effect: String,
    /// Written with an operator that is not known here: it tolerates nothing.
    unknown: bool,
}

impl Toleration {
    pub(super) fn read(toleration: core::Toleration) -> Self {
        let operator = toleration.operator.unwrap_or_default();
        let any = operator == "Exists";
        Self {
            key: toleration.key.unwrap_or_default(),
            value: (!any).then(|| toleration.value.unwrap_or_default()),
            effect: toleration.effect.unwrap_or_default(),
            unknown: !["", "Equal", "Exists"].contains(&operator.as_str()),
        }
    }

    /// True where this taint does not keep the pod away.
    pub fn covers(&self, taint: &NodeTaint) -> bool {
        let key = if self.key.is_empty() { self.value.is_none() } else { self.key == taint.key };
        let effect = self.effect.is_empty() || self.effect == taint.effect;
        !self.unknown && key && effect && self.value.as_ref().is_none_or(|value| *value == taint.value)
    }
}

/// The first taint that keeps a pod with these tolerations away.
pub(super) fn repelled_by<'a>(taints: &'a [NodeTaint], tolerations: &[Toleration]) -> Option<&'a NodeTaint> {
    let strict = taints.iter().filter(|taint| taint.effect != "PreferNoSchedule");
    strict.into_iter().find(|taint| !tolerations.iter().any(|toleration| toleration.covers(taint)))
}

/// A port of the host that a pod takes for itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
    /// The number.
    pub port: i32,
    /// The address it listens on; `0.0.0.0` for all.
    pub address: String,
}

impl HostPort {
    pub(super) fn read(port: &core::ContainerPort, host_network: bool) -> Option<Self> {
        let number = port.host_port.or_else(|| host_network.then_some(port.container_port)).filter(|port| *port > 0)?;
        Some(Self {
            protocol: port.protocol.clone().unwrap_or_else(|| "TCP".into()),
            port: number,
            address: port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".into()),
        })
    }

    /// True where both cannot be had on one node.
    pub fn conflicts(&self, other: &Self) -> bool {
        let any = |port: &Self| port.address == "0.0.0.0" || port.address == "::";
        (self.port, &self.protocol) == (other.port, &other.protocol)
            && (any(self) || any(other) || self.address == other.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn terms(value: Value) -> NodeTerms {
        NodeTerms::read(serde_json::from_value(json!({"nodeSelectorTerms": value})).unwrap())
    }

    fn labels() -> BTreeMap<String, String> {
        BTreeMap::from([("zone".into(), "a".into()), ("cores".into(), "16".into())])
    }

    #[test]
    fn one_term_is_enough_and_all_of_its_conditions_count() {
        let zone = |value: &str| json!({"key": "zone", "operator": "In", "values": [value]});
        let more = |bound: &str| json!({"key": "cores", "operator": "Gt", "values": [bound]});
        let rows = [
            (json!([{"matchExpressions": [zone("a"), more("8")]}]), true),
            (json!([{"matchExpressions": [zone("a"), more("16")]}]), false),
            (json!([{"matchExpressions": [zone("b")]}, {"matchExpressions": [more("8")]}]), true),
            (json!([{"matchExpressions": [more("many")]}]), false),
            (json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["w1"]}]}]), true),
            (json!([{"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["w1"]}]}]), false),
            (json!([{}]), false),
            (json!([]), false),
        ];
        for (value, expected) in rows {
            assert_eq!(terms(value.clone()).hold("w1", &labels()), expected, "{value}");
        }
    }

    #[test]
    fn a_taint_is_tolerated_by_key_value_and_effect() {
        let taint =
            |effect: &str| NodeTaint { key: "gpu".into(), value: "yes".into(), effect: effect.into(), added: None };
        let tolerates = |value: Value, effect: &str| {
            let toleration = Toleration::read(serde_json::from_value(value).unwrap());
            repelled_by(&[taint(effect)], &[toleration]).is_none()
        };
        assert!(tolerates(json!({"operator": "Exists"}), "NoExecute"));
        assert!(tolerates(json!({"key": "gpu", "operator": "Exists"}), "NoSchedule"));
        assert!(tolerates(json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"}), "NoSchedule"));
        assert!(!tolerates(json!({"key": "gpu", "value": "yes", "effect": "NoSchedule"}), "NoExecute"));
        assert!(!tolerates(json!({"key": "gpu", "value": "no"}), "NoSchedule"));
        assert!(!tolerates(json!({"key": "gpu", "operator": "Gt", "value": "yes"}), "NoSchedule"));
        assert!(!tolerates(json!({"value": "yes"}), "NoSchedule"), "an empty key needs Exists");
        assert!(repelled_by(&[taint("PreferNoSchedule")], &[]).is_none());
    }

    #[test]
    fn ports_conflict_by_protocol_number_and_address() {
        let port = |value: Value, host: bool| HostPort::read(&serde_json::from_value(value).unwrap(), host);
        let web = port(json!({"containerPort": 80, "hostPort": 8080}), false).unwrap();
        let local = port(json!({"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"}), false).unwrap();
        let other = port(json!({"containerPort": 80, "hostPort": 8080, "hostIP": "10.0.0.1"}), false).unwrap();
        let udp = port(json!({"containerPort": 80, "hostPort": 8080, "protocol": "UDP"}), false).unwrap();
        assert!(web.conflicts(&local) && local.conflicts(&web));
        assert!(!local.conflicts(&other));
        assert!(!web.conflicts(&udp));
        assert_eq!(port(json!({"containerPort": 80}), false), None);
        assert_eq!(port(json!({"containerPort": 80}), true).unwrap().port, 80);
    }
}
