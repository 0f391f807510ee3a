//! The rules that depend on who else is there: required affinity and anti-affinity, of the pod and of those present against it, and spread.
//! Each is worked out once per pod as a set of domains, so that asking node after node stays cheap on large clusters.

use std::collections::{BTreeMap, BTreeSet};

use super::demand::{Demand, NamespaceLabels, Neighbour, Spread};
use super::room::Room;

/// A pod on a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resident<'a> {
    pub(super) demand: &'a Demand,
    pub(super) room: &'a Room,
}

/// What those present mean for one pod.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    near: Vec<(&'a str, BTreeSet<&'a str>)>,
    /// Nobody is there that it could be beside, and it may be the first of its kind.
    first: bool,
    apart: Vec<(&'a str, BTreeSet<&'a str>)>,
    /// Domains that a pod there keeps for itself, and which pod.
    kept: BTreeMap<(&'a str, &'a str), String>,
    spread: Vec<Counted<'a>>,
}

/// A spread constraint with the pods of each domain counted.
#[derive(Debug)]
struct Counted<'a> {
    rule: &'a Spread,
    domains: BTreeMap<&'a str, usize>,
    least: usize,
    own: usize,
}

fn domain<'a>(room: &'a Room, key: &str) -> Option<&'a str> {
    room.node.labels.get(key).map(String::as_str)
}

impl<'a> Surroundings<'a> {
    pub(super) fn of(
        demand: &'a Demand,
        residents: &[Resident<'a>],
        rooms: &[&'a Room],
        labels: &NamespaceLabels,
    ) -> Self {
        let near: Vec<_> =
            demand.near.iter().map(|term| (term.key.as_str(), domains_of(term, residents, labels))).collect();
        let alone = near.iter().all(|(_, domains)| domains.is_empty());
        Self {
            first: alone && demand.near.iter().all(|term| term.means(&demand.pod, labels)),
            near,
            apart: demand.apart.iter().map(|term| (term.key.as_str(), domains_of(term, residents, labels))).collect(),
            kept: kept_against(demand, residents, labels),
            spread: demand.spread.iter().map(|rule| Counted::new(rule, demand, residents, rooms)).collect(),
        }
    }

    /// Why the pod cannot be on this node, given who is there.
    pub(super) fn bars(&self, room: &Room) -> Option<String> {
        let lonely = self
            .near
            .iter()
            .find(|(key, domains)| domain(room, key).is_none_or(|here| !self.first && !domains.contains(here)));
        if let Some((key, _)) = lonely {
            return Some(format!("has none of the pods in its {key} that it has to be beside"));
        }
        let crowded =
            self.apart.iter().find(|(key, domains)| domain(room, key).is_some_and(|here| domains.contains(here)));
        if let Some((key, _)) = crowded {
            return Some(format!("has a pod in its {key} that it must not be beside"));
        }
        let keeper = self.kept.iter().find(|((key, value), _)| domain(room, key) == Some(value));
        if let Some((_, pod)) = keeper {
            return Some(format!("has {pod} there, which does not bear it"));
        }
        self.uneven(room).map(|key| format!("would have too many of its kind in its {key} (topology spread)"))
    }

    /// The key of the spread constraint that this node would break.
    pub(super) fn uneven(&self, room: &Room) -> Option<&str> {
        self.spread.iter().find(|one| !one.allows(room)).map(|one| one.rule.key.as_str())
    }
}

/// The domains in which a pod is that the term speaks of.
fn domains_of<'a>(term: &Neighbour, residents: &[Resident<'a>], labels: &NamespaceLabels) -> BTreeSet<&'a str> {
    let meant = residents.iter().filter(|one| term.means(&one.demand.pod, labels));
    meant.filter_map(|one| domain(one.room, &term.key)).collect()
}

/// Anti-affinity works both ways: whoever is there may not bear the newcomer.
fn kept_against<'a>(
    demand: &Demand,
    residents: &[Resident<'a>],
    labels: &NamespaceLabels,
) -> BTreeMap<(&'a str, &'a str), String> {
    let mut kept = BTreeMap::new();
    for one in residents.iter().filter(|one| !one.demand.apart.is_empty()) {
        for term in one.demand.apart.iter().filter(|term| term.means(&demand.pod, labels)) {
            if let Some(here) = domain(one.room, &term.key) {
                kept.entry((term.key.as_str(), here)).or_insert_with(|| one.demand.pod.id.to_string());
            }
        }
    }
    kept
}

impl<'a> Counted<'a> {
    fn new(rule: &'a Spread, demand: &Demand, residents: &[Resident<'a>], rooms: &[&'a Room]) -> Self {
        let eligible = |room: &Room| {
            demand.spread.iter().all(|rule| domain(room, &rule.key).is_some())
                && (!rule.honours_affinity || room.selected_by(demand))
                && (!rule.honours_taints || room.tolerated_by(demand))
        };
        let mut domains: BTreeMap<&str, usize> =
            rooms.iter().filter(|room| eligible(room)).filter_map(|room| Some((domain(room, &rule.key)?, 0))).collect();
        let counted = residents.iter().filter(|one| {
            one.demand.pod.id.namespace == demand.pod.id.namespace && rule.counts(&one.demand.pod) && eligible(one.room)
        });
        for here in counted.filter_map(|one| domain(one.room, &rule.key)) {
            *domains.entry(here).or_default() += 1;
        }
        let least =
            if domains.len() < rule.min_domains { 0 } else { domains.values().copied().min().unwrap_or_default() };
        Self { rule, domains, least, own: usize::from(rule.counts(&demand.pod)) }
    }

    fn allows(&self, room: &Room) -> bool {
        let here = domain(room, &self.rule.key);
        here.is_some_and(|here| {
            let there = self.domains.get(here).copied().unwrap_or_default();
            (there + self.own).saturating_sub(self.least) <= self.rule.max_skew
        })
    }
}
