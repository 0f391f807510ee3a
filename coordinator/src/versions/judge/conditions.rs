//! Whether a rule's conditions are met, and by whom. A condition on what nobody could tell is neither met nor unmet.

use std::collections::BTreeMap;

use slipway_cluster::etcd::Member;
use slipway_types::NodeName;

use crate::versions::facts::{Facts, HostFacts, NodeFacts};
use crate::versions::numbers::{Dotted, Minor};
use crate::versions::rule::{ClusterIs, MemberIs, NodeIs, Rule};
use crate::versions::table::Table;

/// A rule held against one subject.
pub(super) enum Matched {
    /// It applies; these are the words for its text.
    Yes(Words),
    /// Nobody could tell.
    Unknown(Subject),
}

/// Who could not be judged.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) node: Option<NodeName>,
}

/// What the placeholders of a text stand for.
#[derive(Clone, Default)]
pub(super) struct Words {
    pub(super) node: Option<NodeName>,
    words: BTreeMap<&'static str, String>,
}

impl Words {
    fn with(mut self, name: &'static str, word: impl ToString) -> Self {
        self.words.insert(name, word.to_string());
        self
    }

    /// The text with every placeholder filled.
    pub(super) fn fill(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (name, word)| text.replace(&format!("{{{name}}}"), word))
    }
}

/// Everything of the facts that the rule applies to.
pub(super) fn matched(rule: &Rule, table: &Table, facts: &Facts) -> Vec<Matched> {
    let words = Words::default()
        .with("target", facts.target)
        .with("minor", Minor::from(facts.target))
        .with("tag", facts.kubeadm.etcd_image_tag.as_deref().unwrap_or_default())
        .with("brought", table.etcd_brought(facts.target).unwrap_or("the one it knows"));
    if !holds(&rule.cluster, facts) {
        return Vec::new();
    }
    if let Some(is) = &rule.node {
        return facts.nodes.iter().flat_map(|node| on_node(is, node, &words)).collect();
    }
    if let Some(is) = &rule.member {
        let raised = rule.raises_etcd_to.as_deref().unwrap_or_default();
        let words = words.with("raised", raised);
        return facts.etcd.members.iter().flat_map(|member| on_member(is, member, &words)).collect();
    }
    if rule.impasse.is_some() {
        let told = |words: &Words, one: &slipway_cluster::Impasse| {
            words.clone().with("impasse", &one.sentence).with("impasse-way-out", &one.way_out)
        };
        return facts.impasses.iter().map(|one| Matched::Yes(told(&words, one))).collect();
    }
    on_cluster(&rule.cluster, facts, &words)
}

fn holds(is: &ClusterIs, facts: &Facts) -> bool {
    let (masters, tag) = (facts.masters().count(), facts.kubeadm.etcd_image_tag.as_deref());
    let pinned_below = |least: Dotted| tag.and_then(|tag| tag.parse::<Dotted>().ok()).is_some_and(|tag| tag < least);
    is.masters.is_none_or(|wanted| masters == wanted)
        && is.masters_at_least.is_none_or(|least| masters >= least)
        && is.etcd_external.is_none_or(|wanted| facts.etcd.external == wanted)
        && is.etcd_pinned.is_none_or(|wanted| tag.is_some() == wanted)
        && is.etcd_pinned_below.is_none_or(pinned_below)
}

fn on_cluster(is: &ClusterIs, facts: &Facts, words: &Words) -> Vec<Matched> {
    let (gates, flags) = (&is.kubeadm_gates, &is.controller_manager_flags);
    if gates.is_empty() && flags.is_empty() {
        return vec![Matched::Yes(words.clone())];
    }
    let common = |wanted: &[String], there: &[String], name: &'static str| -> Vec<Matched> {
        let found = wanted.iter().filter(|one| there.contains(one));
        found.map(|one| Matched::Yes(words.clone().with(name, one))).collect()
    };
    let mut found = common(gates, &facts.kubeadm.gates, "gate");
    found.extend(common(flags, &facts.kubeadm.controller_manager_flags, "flag"));
    found
}

fn on_node(is: &NodeIs, node: &NodeFacts, words: &Words) -> Vec<Matched> {
    let host = node.host.as_ref();
    let server = host.map(|host| host.kubelet_server.clone()).unwrap_or_default();
    let mut words = words
        .clone()
        .with("node", &node.name)
        .with("kubelet", node.kubelet)
        .with("runtime", node.runtime.replacen("://", " ", 1))
        .with("server", server);
    words.node = Some(node.name.clone());
    let answers = [
        asked(is.role, |role| Some(node.role == role)),
        asked(is.ready, |ready| Some(node.ready == ready)),
        asked(is.runtime.as_ref(), |name| runtime(node).map(|(of_node, _)| of_node == name)),
        asked(is.runtime_below, |least| runtime(node).map(|(_, version)| version < least)),
        asked(is.cgroup, |cgroup| host.map(|host| host.cgroup == cgroup)),
        asked(is.fail_cgroup_v1, |wanted| host.map(|host| host.fail_cgroup_v1.unwrap_or(true) == wanted)),
        asked(is.swap, |wanted| host.map(|host| host.swap == wanted)),
        asked(is.fail_swap_on, |wanted| host.map(|host| host.fail_swap_on == wanted)),
        asked(is.kubelet_speaks_to_itself, |wanted| node.speaks_to_itself().map(|does| does == wanted)),
    ];
    let subject = || Subject { name: format!("node {}", node.name), node: Some(node.name.clone()) };
    match together(answers) {
        Some(false) => Vec::new(),
        None => vec![Matched::Unknown(subject())],
        Some(true) if !is.kubelet_flags.is_empty() || is.certificate_ends_within_days.is_some() => match host {
            Some(host) => items_of_host(is, host, &words),
            None => vec![Matched::Unknown(subject())],
        },
        Some(true) => vec![Matched::Yes(words)],
    }
}

fn items_of_host(is: &NodeIs, host: &HostFacts, words: &Words) -> Vec<Matched> {
    let flags = host
        .kubelet_flags
        .iter()
        .filter(|flag| is.kubelet_flags.contains(&flag.name) && is.flags_from.is_none_or(|from| flag.from == from));
    let mut found: Vec<Matched> = flags.map(|flag| Matched::Yes(words.clone().with("flag", &flag.name))).collect();
    if let Some(within) = is.certificate_ends_within_days {
        let ending = host.certificates.iter().filter(|certificate| {
            certificate.days < within && is.certificate_signs.is_none_or(|signs| certificate.authority == signs)
        });
        let told =
            |end: &crate::versions::CertificateEnd| words.clone().with("certificate", &end.name).with("days", end.days);
        found.extend(ending.map(|end| Matched::Yes(told(end))));
    }
    found
}

fn on_member(is: &MemberIs, member: &Member, words: &Words) -> Vec<Matched> {
    let version: Option<Dotted> = member.version.parse().ok();
    let words = words.clone().with("member", member.label()).with("etcd", &member.version);
    let answers = [
        asked(is.healthy, |wanted| Some(member.healthy == wanted)),
        asked(is.learner, |wanted| Some(member.learner == wanted)),
        asked(is.below, |least| version.map(|version| version < least)),
        asked(is.at_least, |least| version.map(|version| version >= least)),
    ];
    match together(answers) {
        Some(false) => Vec::new(),
        None => vec![Matched::Unknown(Subject { name: format!("etcd member {}", member.label()), node: None })],
        Some(true) if !is.alarms.is_empty() => {
            let raised = member.alarms.iter().map(ToString::to_string).filter(|alarm| is.alarms.contains(alarm));
            raised.map(|alarm| Matched::Yes(words.clone().with("alarm", alarm))).collect()
        }
        Some(true) => vec![Matched::Yes(words)],
    }
}

/// What became of one condition.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Told(bool),
    Unknown,
}

fn asked<T>(wanted: Option<T>, tell: impl FnOnce(T) -> Option<bool>) -> Asked {
    wanted.map_or(Asked::Nothing, |wanted| tell(wanted).map_or(Asked::Unknown, Asked::Told))
}

/// All conditions that were set: false as soon as one is, unknown where one is and the others hold.
fn together<const N: usize>(answers: [Asked; N]) -> Option<bool> {
    if answers.contains(&Asked::Told(false)) {
        return Some(false);
    }
    (!answers.contains(&Asked::Unknown)).then_some(true)
}

/// Name and version out of `containerd://1.7.24`.
fn runtime(node: &NodeFacts) -> Option<(&str, Dotted)> {
    let (name, version) = node.runtime.split_once("://")?;
    Some((name, version.parse().ok()?))
}
