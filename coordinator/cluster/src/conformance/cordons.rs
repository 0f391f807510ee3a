//! Cordons: ours, another run's, somebody else's.

use slipway_types::NodeName;

use super::{Fixture, Outcome, ensure, node_of, told};
use crate::{CordonMark, CordonOutcome, Error, UncordonOutcome, Whose, cordon_mark, is_foreign_cordon};

fn mark(run: &str) -> CordonMark {
    CordonMark { owner: "conformance".into(), reason: "a test of the suite".into(), run: run.into() }
}

pub(super) async fn owned(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let node = node_of(fixture).await?;
    let first = api.cordon(&node.name, &node.uid, &mark("r1")).await.map_err(told)?;
    ensure(first == CordonOutcome::Cordoned, || format!("cordoning ended as {first:?}"))?;
    let seen = node_of(fixture).await?;
    ensure(seen.unschedulable && cordon_mark(&seen) == Some(mark("r1")), || {
        format!("the node says {:?}", seen.annotations)
    })?;
    let again = api.cordon(&node.name, &node.uid, &mark("r1")).await.map_err(told)?;
    ensure(again == CordonOutcome::AlreadyOurs, || format!("repeating ended as {again:?}"))?;
    let other = api.cordon(&node.name, &node.uid, &mark("r2")).await.map_err(told)?;
    ensure(other == CordonOutcome::Taken(mark("r1")), || format!("another run's cordon ended as {other:?}"))?;
    let other = api.uncordon(&node.name, &node.uid, &Whose::Run("r2".into())).await.map_err(told)?;
    ensure(other == UncordonOutcome::Taken(mark("r1")), || format!("another run's uncordon ended as {other:?}"))?;
    let back = api.uncordon(&node.name, &node.uid, &Whose::Run("r1".into())).await.map_err(told)?;
    ensure(back == UncordonOutcome::Uncordoned, || format!("uncordoning ended as {back:?}"))?;
    let seen = node_of(fixture).await?;
    ensure(!seen.unschedulable && seen.annotations.keys().all(|key| !key.starts_with("slipway.dev/")), || {
        "a mark is left".into()
    })?;
    let again = api.uncordon(&node.name, &node.uid, &Whose::AnyOfOurs).await.map_err(told)?;
    ensure(again == UncordonOutcome::NotCordoned, || format!("repeating ended as {again:?}"))
}

pub(super) async fn foreign(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let node = node_of(fixture).await?;
    fixture.cordon_by_hand(&node.name, true).await?;
    let over = api.cordon(&node.name, &node.uid, &mark("r1")).await.map_err(told)?;
    let undone = api.uncordon(&node.name, &node.uid, &Whose::AnyOfOurs).await.map_err(told)?;
    let seen = node_of(fixture).await?;
    fixture.cordon_by_hand(&node.name, false).await?;
    ensure(over == CordonOutcome::Foreign, || format!("cordoning ended as {over:?}"))?;
    ensure(undone == UncordonOutcome::Foreign, || format!("uncordoning ended as {undone:?}"))?;
    ensure(is_foreign_cordon(&seen), || "the foreign cordon was touched".into())
}

pub(super) async fn wrong_uid(fixture: &dyn Fixture) -> Outcome {
    let node = node_of(fixture).await?;
    let refused = fixture.api().cordon(&node.name, "another-uid", &mark("r1")).await;
    ensure(matches!(refused, Err(Error::Conflict { .. })), || format!("it ended as {refused:?}"))?;
    let seen = node_of(fixture).await?;
    ensure(!seen.unschedulable, || "the node was cordoned all the same".into())
}

pub(super) async fn reserved(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let name = NodeName::new("slipway-reserved").map_err(told)?;
    fixture.delete("nodes", "", name.as_str()).await?;
    api.reserve_node(&name, &mark("r1")).await.map_err(told)?;
    let seen = api.node(&name).await.map_err(told)?.ok_or("the node was not made")?;
    let again = api.reserve_node(&name, &mark("r2")).await;
    let kept = api.node(&name).await.map_err(told)?;
    api.delete_node(&name, &seen.uid).await.map_err(told)?;
    ensure(seen.unschedulable && cordon_mark(&seen) == Some(mark("r1")), || {
        format!("the node says {:?}", seen.annotations)
    })?;
    ensure(seen.machine_id.is_empty() && !seen.ready, || format!("a machine is behind it: {}", seen.machine_id))?;
    ensure(matches!(again, Err(Error::Conflict { .. })), || format!("another run's ended as {again:?}"))?;
    ensure(kept.is_some_and(|kept| cordon_mark(&kept) == Some(mark("r1"))), || "it is another run's now".into())
}
