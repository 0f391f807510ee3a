//! Nodes without a machine behind them: what is left of one that was deleted, and what a proof of fencing lets happen to one that is silent.

use serde_json::{Value, json};
use slipway_types::{NodeName, Timestamp};

use super::{Fixture, Outcome, ensure, put, told};
use crate::fake::objects::{bare_pod, mirror_pod};
use crate::{Error, FencingProof, Node, OUT_OF_SERVICE, OperatorStatement, PodRef, TaintOutcome};

const NAMESPACE: &str = "slipway-conformance";
const GHOST: &str = "slipway-ghost";

fn name() -> Result<NodeName, String> {
    NodeName::new(GHOST).map_err(told)
}

fn reference(namespace: &str, name: &str) -> PodRef {
    PodRef { namespace: namespace.into(), name: name.into() }
}

async fn appear(fixture: &dyn Fixture) -> Result<Node, String> {
    let node: Value = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": GHOST},
        "spec": {"taints": [{"key": "example.com/mine", "value": "yes", "effect": "NoSchedule"}]},
    });
    fixture.apply(node).await?;
    fixture.api().node(&name()?).await.map_err(told)?.ok_or_else(|| "the node was not made".into())
}

async fn vanish(fixture: &dyn Fixture) -> Outcome {
    fixture.delete("nodes", "", GHOST).await?;
    fixture.api().sweep_pods_of(&name()?).await.map(|_| ()).map_err(told)
}

fn proof(node: &Node) -> Result<FencingProof, String> {
    let statement = OperatorStatement {
        node: node.name.clone(),
        node_uid: node.uid.clone(),
        by: "conformance".into(),
        words: FencingProof::wanted_words(&node.name),
        recorded_at: Timestamp::UNIX_EPOCH,
        run: "suite".into(),
    };
    FencingProof::from_statement(&statement).map_err(told)
}

pub(super) async fn swept(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let node = appear(fixture).await?;
    put(fixture, mirror_pod("ghost-static", GHOST)).await?;
    put(fixture, bare_pod(NAMESPACE, "ghost-bare", GHOST)).await?;
    let early = api.sweep_pods_of(&node.name).await;
    api.delete_node(&node.name, &node.uid).await.map_err(told)?;
    let swept = api.sweep_pods_of(&node.name).await.map_err(told)?;
    let gone = api.pod(&reference("kube-system", "ghost-static")).await.map_err(told)?.is_none();
    let bare = api.pod(&reference(NAMESPACE, "ghost-bare")).await.map_err(told)?;
    if let Some(pod) = &bare {
        api.delete_pod_now(pod).await.map_err(told)?;
    }
    ensure(matches!(early, Err(Error::Conflict { .. })), || format!("with its Node there it ended as {early:?}"))?;
    ensure(gone && swept.deleted.contains(&reference("kube-system", "ghost-static")), || format!("{swept:?}"))?;
    ensure(bare.is_some() && swept.left == [reference(NAMESPACE, "ghost-bare")], || format!("{swept:?}"))
}

pub(super) async fn tainted(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let node = appear(fixture).await?;
    let proof = proof(&node)?;
    let wrong = api.set_out_of_service(&node.name, "another-uid", "r1", &proof).await;
    let set = api.set_out_of_service(&node.name, &node.uid, "r1", &proof).await.map_err(told)?;
    let again = api.set_out_of_service(&node.name, &node.uid, "r1", &proof).await.map_err(told)?;
    let other = api.clear_out_of_service(&node.name, &node.uid, "r2").await.map_err(told)?;
    let seen = api.node(&node.name).await.map_err(told)?;
    let cleared = api.clear_out_of_service(&node.name, &node.uid, "r1").await.map_err(told)?;
    let after = api.node(&node.name).await.map_err(told)?;
    vanish(fixture).await?;
    ensure(matches!(wrong, Err(Error::Unproved { .. })), || format!("a proof for another Node ended as {wrong:?}"))?;
    ensure(set == TaintOutcome::Changed && again == TaintOutcome::AlreadySo, || format!("{set:?}, {again:?}"))?;
    ensure(other == TaintOutcome::Foreign, || format!("another run's end of it ended as {other:?}"))?;
    let keys = |node: &Option<Node>| -> Vec<String> {
        node.iter().flat_map(|node| node.taints.iter().map(|taint| taint.key.clone())).collect()
    };
    let (seen, after) = (keys(&seen), keys(&after));
    let has = |keys: &[String], key: &str| keys.iter().any(|one| one == key);
    ensure(has(&seen, OUT_OF_SERVICE) && has(&seen, "example.com/mine"), || format!("while it was set: {seen:?}"))?;
    ensure(cleared == TaintOutcome::Changed && !has(&after, OUT_OF_SERVICE) && has(&after, "example.com/mine"), || {
        format!("afterwards: {after:?}")
    })
}

pub(super) async fn forced(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let node = appear(fixture).await?;
    let empty = api.harmless(&node.name).await.map_err(told)?;
    put(fixture, bare_pod(NAMESPACE, "ghost-bare", GHOST)).await?;
    let holding = api.harmless(&node.name).await.map_err(told)?;
    let another = Node { uid: "another-uid".into(), ..node.clone() };
    let refused = api.force_delete_pods(&node.name, &self::proof(&another)?).await;
    let still = api.pod(&reference(NAMESPACE, "ghost-bare")).await.map_err(told)?;
    let forced = api.force_delete_pods(&node.name, &proof(&node)?).await.map_err(told)?;
    let gone = api.pod(&reference(NAMESPACE, "ghost-bare")).await.map_err(told)?.is_none();
    vanish(fixture).await?;
    ensure(empty.is_harmless(), || format!("an empty node: {}", empty.sentence()))?;
    ensure(holding.pods == [reference(NAMESPACE, "ghost-bare")], || format!("with a pod: {}", holding.sentence()))?;
    ensure(matches!(refused, Err(Error::Unproved { .. })) && still.is_some(), || format!("it ended as {refused:?}"))?;
    ensure(gone && forced.deleted.contains(&reference(NAMESPACE, "ghost-bare")), || format!("{forced:?}"))
}
