//! Reading nodes and what belongs to them, and deletes that must not happen.

use slipway_types::NodeName;

use super::{Fixture, Outcome, ensure, node_of, told};
use crate::DeleteOutcome;

pub(super) async fn version(fixture: &dyn Fixture) -> Outcome {
    let version = fixture.api().version().await.map_err(told)?.git_version;
    ensure(version.starts_with("v1."), || format!("the version is {version:?}"))
}

pub(super) async fn nodes(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let name = fixture.worker();
    let all = api.nodes(None).await.map_err(told)?;
    ensure(all.iter().any(|node| node.name == name), || format!("{name} is not in the list"))?;
    let masters = api.nodes(Some("node-role.kubernetes.io/control-plane")).await.map_err(told)?;
    ensure(masters.iter().all(|node| node.role == slipway_types::NodeRole::ControlPlane), || {
        "the selector lets workers through".into()
    })?;
    let node = node_of(fixture).await?;
    ensure(!node.uid.is_empty() && !node.resource_version.is_empty() && !node.version.is_empty(), || {
        format!("incomplete: {node:?}")
    })?;
    ensure(node.ready, || "the worker is not ready".into())?;
    let unknown = api.node(&unknown()?).await.map_err(told)?;
    ensure(unknown.is_none(), || "a node that does not exist was found".into())
}

pub(super) async fn remains(fixture: &dyn Fixture) -> Outcome {
    let remains = fixture.api().remains(&fixture.worker()).await.map_err(told)?;
    ensure(remains.node.is_some() && remains.lease.is_some(), || {
        format!("a node in service without its objects: {remains:?}")
    })?;
    let none = fixture.api().remains(&unknown()?).await.map_err(told)?;
    ensure(none.is_gone(), || format!("an unknown node left {}", none.sentence()))
}

pub(super) async fn wrong_uid(fixture: &dyn Fixture) -> Outcome {
    let api = fixture.api();
    let before = node_of(fixture).await?;
    let node = api.delete_node(&before.name, "00000000-0000-0000-0000-000000000000").await.map_err(told)?;
    ensure(node == DeleteOutcome::Replaced, || format!("the delete of the node ended as {node:?}"))?;
    let lease = api.delete_lease(&before.name, "00000000-0000-0000-0000-000000000000").await.map_err(told)?;
    ensure(lease == DeleteOutcome::Replaced, || format!("the delete of the lease ended as {lease:?}"))?;
    let after = node_of(fixture).await?;
    ensure(after.uid == before.uid, || "the node is another one".into())?;
    let unknown = api.delete_node(&unknown()?, &before.uid).await.map_err(told)?;
    ensure(unknown == DeleteOutcome::AlreadyGone, || format!("the delete of an unknown node ended as {unknown:?}"))
}

pub(super) async fn capacity(fixture: &dyn Fixture) -> Outcome {
    let inventory = fixture.api().inventory().await.map_err(told)?;
    let worker = inventory.rooms.iter().find(|room| room.node.name == fixture.worker());
    let room = worker.ok_or_else(|| "the worker is not in the inventory".to_owned())?;
    for resource in ["cpu", "memory", "pods"] {
        ensure(room.allocatable.get(resource).is_some_and(|amount| *amount > 0), || {
            format!("the worker has no {resource}: {:?}", room.allocatable)
        })?;
    }
    ensure(inventory.demands.iter().all(|demand| !demand.pod.is_finished()), || "finished pods were listed".into())?;
    ensure(inventory.namespaces.contains_key("kube-system"), || "no namespace kube-system".into())?;
    let all = inventory.rooms.iter().map(|room| room.node.name.clone()).collect();
    let report = fixture.api().capacity_without(&all).await.map_err(told)?;
    ensure(report.placed.is_empty(), || format!("with no node left, pods were placed: {report:?}"))
}

fn unknown() -> Result<NodeName, String> {
    NodeName::new("no-such-node").map_err(told)
}
