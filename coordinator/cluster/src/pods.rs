//! Reading the pods of a node, the disruption budgets, and whether a DaemonSet still exists.

use k8s_openapi::api::{apps::v1::DaemonSet, core::v1 as core, policy::v1::PodDisruptionBudget};
use kube::api::ListParams;
use slipway_types::NodeName;

use crate::{Budget, ClusterApi, DaemonSets, Error, Owner, Pod, PodRef};

impl ClusterApi {
    /// All pods bound to a node, by name.
    pub async fn pods_on(&self, node: &NodeName) -> Result<Vec<Pod>, Error> {
        let doing = format!("list the pods of node {node}");
        let pods = self.list(&doing, &self.pod_api(), &ListParams::default().fields(&bound_to(node))).await?;
        let mut pods: Vec<Pod> = pods.into_iter().map(Pod::read).collect();
        pods.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(pods)
    }

    /// All pods of a namespace, by name.
    pub async fn pods_in(&self, namespace: &str) -> Result<Vec<Pod>, Error> {
        let api: kube::Api<core::Pod> = kube::Api::namespaced(self.client(), namespace);
        let pods = self.list(&format!("list the pods in {namespace}"), &api, &ListParams::default()).await?;
        let mut pods: Vec<Pod> = pods.into_iter().map(Pod::read).collect();
        pods.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(pods)
    }

    /// One pod, if there is one of that name.
    pub async fn pod(&self, id: &PodRef) -> Result<Option<Pod>, Error> {
        let api: kube::Api<core::Pod> = kube::Api::namespaced(self.client(), &id.namespace);
        Ok(self.call_opt(&format!("look at pod {id}"), api.get(&id.name)).await?.map(Pod::read))
    }

    /// All disruption budgets of the cluster.
    pub async fn budgets(&self) -> Result<Vec<Budget>, Error> {
        let budgets = self.list("list the disruption budgets", &self.budget_api(), &ListParams::default()).await?;
        Ok(budgets.into_iter().map(Budget::read).collect())
    }

    /// Which of the DaemonSets that these pods name as their owner still exist.
    pub async fn daemon_sets_of(&self, pods: &[Pod]) -> Result<DaemonSets, Error> {
        let mut known = DaemonSets::default();
        for pod in pods {
            if let Some(owner) = pod.daemon_set().filter(|owner| known.exists(&owner.uid).is_none()) {
                known.learn(&owner.uid, self.daemon_set_exists(&pod.id.namespace, owner).await?);
            }
        }
        Ok(known)
    }

    pub(crate) async fn daemon_set_exists(&self, namespace: &str, owner: &Owner) -> Result<bool, Error> {
        let api: kube::Api<DaemonSet> = kube::Api::namespaced(self.client(), namespace);
        let found =
            self.call_opt(&format!("look at DaemonSet {namespace}/{}", owner.name), api.get(&owner.name)).await?;
        Ok(found.is_some_and(|set| set.metadata.uid.as_deref() == Some(&owner.uid)))
    }

    pub(crate) fn pod_api(&self) -> kube::Api<core::Pod> {
        kube::Api::all(self.client())
    }

    pub(crate) fn budget_api(&self) -> kube::Api<PodDisruptionBudget> {
        kube::Api::all(self.client())
    }
}

/// The field selector of a node's pods.
pub(crate) fn bound_to(node: &NodeName) -> String {
    format!("spec.nodeName={node}")
}
