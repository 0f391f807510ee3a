//! The taint `out-of-service`: with it, Kubernetes itself deletes the pods of a node that is not ready and detaches its volumes
//! (<https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/>). Ours carries the run that set it; another's is left alone.

use serde_json::{Value, json};
use slipway_types::NodeName;

use super::FencingProof;
use crate::cordon::Decision;
use crate::{ClusterApi, Error, Node, NodeTaint};

/// The taint's key.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// Annotation: the run that set the taint.
pub const OUT_OF_SERVICE_OWNER: &str = "slipway.dev/out-of-service-run";

/// What became of the taint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaintOutcome {
    /// It was set, or taken off.
    Changed,
    /// It was so already.
    AlreadySo,
    /// Somebody else's taint, or that of another run: nothing was changed.
    Foreign,
}

fn is_out(taint: &NodeTaint) -> bool {
    taint.key == OUT_OF_SERVICE
}

fn decide_set(node: &Node, run: &str) -> Decision<TaintOutcome> {
    match (node.taints.iter().any(is_out), node.annotations.get(OUT_OF_SERVICE_OWNER)) {
        (true, Some(owner)) if owner == run => Ok(TaintOutcome::AlreadySo),
        (true, _) => Ok(TaintOutcome::Foreign),
        (false, _) => {
            let ours = NodeTaint {
                key: OUT_OF_SERVICE.into(),
                value: "nodeshutdown".into(),
                effect: "NoExecute".into(),
                added: None,
            };
            let taints = node.taints.iter().cloned().chain([ours]);
            Err(patch(node, taints.collect(), &json!(run)))
        }
    }
}

fn decide_clear(node: &Node, run: &str) -> Decision<TaintOutcome> {
    match (node.taints.iter().any(is_out), node.annotations.get(OUT_OF_SERVICE_OWNER)) {
        (_, Some(owner)) if owner == run => {
            let taints = node.taints.iter().filter(|taint| !is_out(taint)).cloned();
            Err(patch(node, taints.collect(), &Value::Null))
        }
        (true, _) => Ok(TaintOutcome::Foreign),
        (false, _) => Ok(TaintOutcome::AlreadySo),
    }
}

/// Lists are replaced as a whole, which is safe only under the version that was seen.
fn patch(node: &Node, taints: Vec<NodeTaint>, owner: &Value) -> Value {
    let all: Vec<Value> = taints.into_iter().map(NodeTaint::object).collect();
    json!({
        "metadata": {"resourceVersion": node.resource_version, "annotations": {OUT_OF_SERVICE_OWNER: owner}},
        "spec": {"taints": all},
    })
}

impl ClusterApi {
    /// Says that the node's host is off, so that Kubernetes lets go of what it holds.
    pub async fn set_out_of_service(
        &self,
        name: &NodeName,
        uid: &str,
        run: &str,
        proof: &FencingProof,
    ) -> Result<TaintOutcome, Error> {
        let doing = format!("taint node {name} as out of service");
        proof.covers(name, uid).map_err(|why| Error::Unproved { doing: doing.clone(), why })?;
        self.change_node(&doing, name, uid, TaintOutcome::Changed, |node| decide_set(node, run)).await
    }

    /// Takes back the taint that this run has set.
    pub async fn clear_out_of_service(&self, name: &NodeName, uid: &str, run: &str) -> Result<TaintOutcome, Error> {
        let doing = format!("take the out-of-service taint off node {name}");
        self.change_node(&doing, name, uid, TaintOutcome::Changed, |node| decide_clear(node, run)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;

    fn state(tainted: bool, owner: Option<&str>) -> Node {
        let mut taints =
            vec![json!({"key": "gpu", "value": "a", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"})];
        taints.extend(tainted.then(|| json!({"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"})));
        let annotations = owner.map(|owner| json!({OUT_OF_SERVICE_OWNER: owner})).unwrap_or_default();
        node(json!({
            "metadata": {"name": "w1", "resourceVersion": "5", "annotations": annotations}, "spec": {"taints": taints},
        }))
    }

    #[test]
    fn the_taint_is_added_beside_the_others_under_the_version_that_was_seen() {
        let patch = decide_set(&state(false, None), "r1").unwrap_err();
        assert_eq!(patch["metadata"]["resourceVersion"], "5");
        assert_eq!(patch["metadata"]["annotations"][OUT_OF_SERVICE_OWNER], "r1");
        let taints = patch["spec"]["taints"].as_array().unwrap();
        assert_eq!((taints[0]["key"].as_str(), taints[1]["key"].as_str()), (Some("gpu"), Some(OUT_OF_SERVICE)));
    }

    #[test]
    fn a_taint_of_somebody_else_is_neither_taken_over_nor_off() {
        for owner in [None, Some("r0")] {
            assert_eq!(decide_set(&state(true, owner), "r1"), Ok(TaintOutcome::Foreign));
            assert_eq!(decide_clear(&state(true, owner), "r1"), Ok(TaintOutcome::Foreign));
        }
        assert_eq!(decide_set(&state(true, Some("r1")), "r1"), Ok(TaintOutcome::AlreadySo));
        assert_eq!(decide_clear(&state(false, None), "r1"), Ok(TaintOutcome::AlreadySo));
    }

    #[test]
    fn what_goes_is_ours_alone() {
        let patch = decide_clear(&state(true, Some("r1")), "r1").unwrap_err();
        assert_eq!(
            patch["spec"]["taints"],
            json!([{"key": "gpu", "value": "a", "effect": "NoSchedule", "timeAdded": "2026-01-01T00:00:00Z"}])
        );
        assert!(patch["metadata"]["annotations"][OUT_OF_SERVICE_OWNER].is_null());
        assert!(decide_clear(&state(false, Some("r1")), "r1").is_err(), "a mark that was left behind goes too");
    }
}
