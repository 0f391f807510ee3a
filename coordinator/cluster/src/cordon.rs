//! Cordons with an owner. A cordon without our mark belongs to somebody else and is neither taken over nor undone.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use slipway_types::NodeName;

use crate::{ClusterApi, Error, Node};

/// Annotation: who cordoned the node, such as `alice`.
pub const CORDON_OWNER: &str = "slipway.dev/cordoned-by";
/// Annotation: why.
pub const CORDON_REASON: &str = "slipway.dev/cordon-reason";
/// Annotation: the run that did it.
pub const CORDON_RUN: &str = "slipway.dev/cordon-run";

const MARKS: [&str; 3] = [CORDON_OWNER, CORDON_REASON, CORDON_RUN];
/// A kubelet writes the status every few seconds, so a conflict now and then is normal; more in a row is not.
const ATTEMPTS: u32 = 5;

/// What we write on a node that we cordon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CordonMark {
    /// Who asked.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// In which run.
    pub run: String,
}

/// What became of a cordon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CordonOutcome {
    /// It was schedulable and is not now.
    Cordoned,
    /// This run had cordoned it before.
    AlreadyOurs,
    /// Somebody else cordoned it: nothing was changed.
    Foreign,
    /// Another run cordoned it: nothing was changed.
    Taken(CordonMark),
}

/// What became of an uncordon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UncordonOutcome {
    /// It takes pods again.
    Uncordoned,
    /// It was not cordoned.
    NotCordoned,
    /// Somebody else cordoned it: nothing was changed.
    Foreign,
    /// Another run cordoned it: nothing was changed.
    Taken(CordonMark),
}

/// Whose cordon may be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// That of one run alone.
    Run(String),
    /// Any that carries our mark.
    AnyOfOurs,
}

/// Our mark on a node, if it is cordoned and carries one.
pub fn cordon_mark(node: &Node) -> Option<CordonMark> {
    if node.unschedulable { mark_in(&node.annotations) } else { None }
}

/// True for a node that is cordoned, but not by us.
pub fn is_foreign_cordon(node: &Node) -> bool {
    node.unschedulable && mark_in(&node.annotations).is_none()
}

fn mark_in(annotations: &BTreeMap<String, String>) -> Option<CordonMark> {
    let text = |key: &str| annotations.get(key).cloned().unwrap_or_default();
    annotations.contains_key(CORDON_OWNER).then(|| CordonMark {
        owner: text(CORDON_OWNER),
        reason: text(CORDON_REASON),
        run: text(CORDON_RUN),
    })
}

/// Either an outcome already, or the patch that leads to it.
pub type Decision<T> = Result<T, Value>;

/// What a cordon of the node, as it was just seen, takes. A cordon that is there is never taken over.
pub fn decide_cordon(node: &Node, mark: &CordonMark) -> Decision<CordonOutcome> {
    if !node.unschedulable {
        let marks = json!({CORDON_OWNER: mark.owner, CORDON_REASON: mark.reason, CORDON_RUN: mark.run});
        return Err(patch(node, true, &marks));
    }
    Ok(match mark_in(&node.annotations) {
        None => CordonOutcome::Foreign,
        Some(found) if found.run == mark.run => CordonOutcome::AlreadyOurs,
        Some(found) => CordonOutcome::Taken(found),
    })
}

/// What taking a cordon of the node back takes, as it was just seen. A foreign one is left alone.
pub fn decide_uncordon(node: &Node, whose: &Whose) -> Decision<UncordonOutcome> {
    let clear = || json!({CORDON_OWNER: null, CORDON_REASON: null, CORDON_RUN: null});
    let marked = MARKS.iter().any(|key| node.annotations.contains_key(*key));
    match (node.unschedulable, mark_in(&node.annotations), whose) {
        // Somebody uncordoned it by hand and left our mark: it would make the next foreign cordon look like ours.
        (false, Some(found), Whose::Run(run)) if found.run != *run => Ok(UncordonOutcome::NotCordoned),
        (false, _, _) if marked => Err(patch(node, false, &clear())),
        (false, _, _) => Ok(UncordonOutcome::NotCordoned),
        (true, None, _) => Ok(UncordonOutcome::Foreign),
        (true, Some(found), Whose::Run(run)) if found.run != *run => Ok(UncordonOutcome::Taken(found)),
        (true, Some(_), _) => Err(patch(node, false, &clear())),
    }
}

fn patch(node: &Node, unschedulable: bool, marks: &Value) -> Value {
    let unschedulable = if unschedulable { json!(true) } else { Value::Null };
    json!({
        "metadata": {"resourceVersion": node.resource_version, "annotations": marks},
        "spec": {"unschedulable": unschedulable},
    })
}

impl ClusterApi {
    /// Cordons the node with that uid and writes the mark on it, in one conditional patch.
    pub async fn cordon(&self, name: &NodeName, uid: &str, mark: &CordonMark) -> Result<CordonOutcome, Error> {
        self.change_node(&format!("cordon node {name}"), name, uid, CordonOutcome::Cordoned, |node| {
            decide_cordon(node, mark)
        })
        .await
    }

    /// Takes back a cordon of ours. A foreign one is never touched.
    pub async fn uncordon(&self, name: &NodeName, uid: &str, whose: &Whose) -> Result<UncordonOutcome, Error> {
        let doing = format!("uncordon node {name}");
        self.change_node(&doing, name, uid, UncordonOutcome::Uncordoned, |node| decide_uncordon(node, whose)).await
    }

    /// Looks at the node, decides, and patches it under the version that was looked at, as often as it takes.
    pub(crate) async fn change_node<T>(
        &self,
        doing: &str,
        name: &NodeName,
        uid: &str,
        patched: T,
        decide: impl Fn(&Node) -> Decision<T>,
    ) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            // A look before the gate opens may find that there is nothing to do while a write of the leader before is still under way.
            self.writable().await?;
            let node = self.node(name).await?.ok_or_else(|| Error::NotFound { doing: doing.to_owned() })?;
            if node.uid != uid {
                let reason = format!("the node of that name is another one now (uid {}, not {uid})", node.uid);
                return Err(Error::Conflict { doing: doing.to_owned(), reason });
            }
            let patch = match decide(&node) {
                Ok(outcome) => return Ok(outcome),
                Err(patch) => patch,
            };
            match self.merge_patch::<Value>(doing, &format!("/api/v1/nodes/{name}"), &patch).await {
                Ok(_) => return Ok(patched),
                Err(Error::Conflict { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;

    fn mark(run: &str) -> CordonMark {
        CordonMark { owner: "alice".into(), reason: "disk".into(), run: run.into() }
    }

    fn state(unschedulable: bool, run: Option<&str>) -> Node {
        let annotations = run.map(|run| json!({CORDON_OWNER: "alice", CORDON_REASON: "disk", CORDON_RUN: run}));
        node(json!({
            "metadata": {"name": "w1", "resourceVersion": "5", "annotations": annotations.unwrap_or_default()},
            "spec": {"unschedulable": unschedulable},
        }))
    }

    #[test]
    fn a_schedulable_node_is_patched_under_the_version_that_was_seen() {
        let patch = decide_cordon(&state(false, None), &mark("r1")).unwrap_err();
        assert_eq!(patch["metadata"]["resourceVersion"], "5");
        assert_eq!(patch["metadata"]["annotations"][CORDON_RUN], "r1");
        assert_eq!(patch["spec"]["unschedulable"], true);
    }

    #[test]
    fn a_cordon_that_is_not_this_runs_is_left_alone() {
        assert_eq!(decide_cordon(&state(true, None), &mark("r1")), Ok(CordonOutcome::Foreign));
        assert_eq!(decide_cordon(&state(true, Some("r0")), &mark("r1")), Ok(CordonOutcome::Taken(mark("r0"))));
        assert_eq!(decide_cordon(&state(true, Some("r1")), &mark("r1")), Ok(CordonOutcome::AlreadyOurs));
    }

    #[test]
    fn only_our_own_cordon_is_undone() {
        let run = Whose::Run("r1".into());
        assert_eq!(decide_uncordon(&state(true, None), &Whose::AnyOfOurs), Ok(UncordonOutcome::Foreign));
        assert_eq!(decide_uncordon(&state(true, Some("r0")), &run), Ok(UncordonOutcome::Taken(mark("r0"))));
        assert_eq!(decide_uncordon(&state(false, None), &run), Ok(UncordonOutcome::NotCordoned));
        for whose in [run, Whose::AnyOfOurs] {
            let patch = decide_uncordon(&state(true, Some("r1")), &whose).unwrap_err();
            assert!(patch["spec"]["unschedulable"].is_null());
            assert!(patch["metadata"]["annotations"][CORDON_OWNER].is_null());
        }
    }

    #[test]
    fn a_mark_left_on_a_schedulable_node_is_cleared() {
        assert!(decide_uncordon(&state(false, Some("r1")), &Whose::AnyOfOurs).is_err());
        assert_eq!(
            decide_uncordon(&state(false, Some("r0")), &Whose::Run("r1".into())),
            Ok(UncordonOutcome::NotCordoned)
        );
        assert!(cordon_mark(&state(false, Some("r1"))).is_none());
        assert!(is_foreign_cordon(&state(true, None)) && !is_foreign_cordon(&state(true, Some("r1"))));
    }
}
