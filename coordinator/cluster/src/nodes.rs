//! Reading Node objects, and the one way to delete one: by uid, so that a node that joined again under the same name survives.

use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;
use serde_json::json;
use slipway_types::NodeName;

use crate::{ClusterApi, Error, Node};

/// What became of a conditional delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeleteOutcome {
    /// It was there and is being deleted.
    Deleted,
    /// There was none.
    AlreadyGone,
    /// The object of that name is another one: nothing was done.
    Replaced,
}

impl ClusterApi {
    /// All nodes that a label selector matches (kubectl's syntax), or all, by name.
    pub async fn nodes(&self, selector: Option<&str>) -> Result<Vec<Node>, Error> {
        let params = selector.map_or_else(ListParams::default, |selector| ListParams::default().labels(selector));
        let nodes = self.list("list the nodes", &self.node_api(), &params).await?;
        let mut nodes = nodes.into_iter().map(Node::read).collect::<Result<Vec<_>, _>>()?;
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// One node, if there is one of that name.
    pub async fn node(&self, name: &NodeName) -> Result<Option<Node>, Error> {
        let doing = format!("look at node {name}");
        self.call_opt(&doing, self.node_api().get(name.as_str())).await?.map(Node::read).transpose()
    }

    /// Deletes the Node object with that uid, and no other of the same name.
    pub async fn delete_node(&self, name: &NodeName, uid: &str) -> Result<DeleteOutcome, Error> {
        self.delete_by_uid(&format!("delete node {name}"), &format!("/api/v1/nodes/{name}"), uid).await
    }

    pub(crate) fn node_api(&self) -> kube::Api<core::Node> {
        kube::Api::all(self.client())
    }

    /// A refusal for the uid means that the object was replaced: the precondition did what it is for.
    pub(crate) async fn delete_by_uid(&self, doing: &str, path: &str, uid: &str) -> Result<DeleteOutcome, Error> {
        let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}});
        match self.delete(doing, path, &options).await {
            Ok(()) => Ok(DeleteOutcome::Deleted),
            Err(Error::NotFound { .. }) => Ok(DeleteOutcome::AlreadyGone),
            Err(Error::Conflict { .. }) => Ok(DeleteOutcome::Replaced),
            Err(error) => Err(error),
        }
    }
}
