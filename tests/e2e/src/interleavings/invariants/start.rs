//! Where a voluntary disruption starts, as the world shows it: a node in service that a disruptive run cordons, or whose kubelet is stopped or
//! whose host is reset, or whose member leaves etcd, or whose static pods come from other images. Work on a node that is out of service anyway
//! starts none, nor does a join that is taken back: its node has not come into service yet.

use super::{Event, Known};
use crate::interleavings::sight::Sight;
use crate::interleavings::wishes::Wish;

/// What takes a host out of service.
const EFFECTS: [&str; 3] = ["stop kubelet.service", "mask kubelet.service", "run /usr/bin/kubeadm reset"];

/// A disruption that has just started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Start {
    /// The node.
    pub(super) node: String,
    /// The run, where the world shows it.
    pub(super) run: String,
    /// How it began.
    pub(super) how: String,
}

/// Those of one event.
pub(super) fn starts(event: &Event<'_>) -> Vec<Start> {
    let Event { before, after, known } = event;
    let in_service = before.nodes.iter().filter(|(_, node)| !node.is_out());
    in_service
        .filter_map(|(name, _)| cordoned(name, after, known).or_else(|| touched(name, (before, after), known)))
        .collect()
}

fn cordoned(name: &str, after: &Sight, known: &Known) -> Option<Start> {
    let run = after.nodes.get(name).filter(|node| node.cordoned)?.mark.clone()?;
    let disrupts = known.wish(&run).is_none_or(Wish::disrupts);
    disrupts.then(|| Start { node: name.to_owned(), how: format!("{run} cordoned it"), run })
}

fn touched(name: &str, (before, after): (&Sight, &Sight), known: &Known) -> Option<Start> {
    let effect = EFFECTS.into_iter().find(|effect| after.effect(name, effect) > before.effect(name, effect));
    let left = || {
        let of = |sight: &Sight| sight.members.iter().any(|member| member.name == name);
        (of(before) && !of(after)).then_some("its member left etcd")
    };
    let how =
        effect.or_else(left).or_else(|| replaced(name, before, after).then_some("its static pods were replaced"))?;
    let open = after.hosts.get(name).map(|host| host.open.clone()).unwrap_or_default();
    let taken = known.taken.iter().find(|taken| taken.host == name).map(|taken| taken.operation.clone());
    let run = taken.unwrap_or(open).split('/').next().unwrap_or_default().to_owned();
    if known.wish(&run).is_some_and(Wish::joins) {
        return None;
    }
    Some(Start { node: name.to_owned(), run, how: how.to_owned() })
}

/// One that runs from another image was away in between.
fn replaced(name: &str, before: &Sight, after: &Sight) -> bool {
    let (Some(before), Some(after)) = (before.hosts.get(name), after.hosts.get(name)) else { return false };
    let mut both = before.static_pods.iter().filter_map(|(pod, image)| Some((image, after.static_pods.get(pod)?)));
    both.any(|(before, after)| before != after)
}

/// The other nodes out of service that this start had to count: all that runs of ours were let take out before it was, and those that failed by
/// themselves before its admission began to look. Who was admitted later has counted this one, against a budget of his own. None for a node that was out of service itself when that admission looked: it cost nothing then, and that it came
/// back in the same moment could not be known.
pub(super) fn counted(start: &Start, event: &Event<'_>, of_pool: impl Fn(&str) -> bool) -> Vec<String> {
    let looked = event.known.admitted.get(&(start.run.clone(), start.node.clone())).copied();
    let back = event.known.back.get(&start.node).copied();
    if looked.zip(back).is_some_and(|(looked, back)| looked < back) {
        return Vec::new();
    }
    let before =
        event.before.nodes.iter().filter(|(name, node)| **name != start.node && node.is_out() && of_pool(name));
    before
        .filter(|(name, _)| looked.is_none_or(|looked| !admitted_after(looked, name, event.known)))
        .filter(|(name, _)| {
            event.known.out.get(*name).is_none_or(|out| out.by_us || looked.is_none_or(|looked| out.since < looked))
        })
        .map(|(name, _)| name.clone())
        .collect()
}

fn admitted_after(looked: u64, name: &str, known: &Known) -> bool {
    let mut of_node = known.admitted.iter().filter(|((_, node), _)| node == name).map(|(_, at)| *at).peekable();
    of_node.peek().is_some() && of_node.all(|at| at > looked)
}
