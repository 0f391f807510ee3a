//! What the API still holds of a node that left. A removal is over when nothing of it is left here, and not before.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::storage::v1::{CSINode, VolumeAttachment};
use kube::api::ListParams;
use slipway_types::NodeName;

use crate::nodes::DeleteOutcome;
use crate::{ClusterApi, Error, PodRef};

/// Where kubelets keep their heartbeat leases.
pub(crate) const LEASES: &str = "kube-node-lease";

/// The objects of a node that are still there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remains {
    /// The uid of the Node object.
    pub node: Option<String>,
    /// The uid of its Lease in `kube-node-lease`.
    pub lease: Option<String>,
    /// Its CSINode.
    pub csi_node: bool,
    /// Names of its VolumeAttachments.
    pub volume_attachments: Vec<String>,
    /// Pods bound to it.
    pub pods: Vec<PodRef>,
    /// Undecided certificate requests of its kubelet. They prove that one still runs, but expire by themselves.
    pub requests: Vec<String>,
}

impl Remains {
    /// True where nothing is left that would have to go.
    pub fn is_gone(&self) -> bool {
        *self == Self { requests: self.requests.clone(), ..Self::default() }
    }

    /// One line that names what is left.
    pub fn sentence(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.node.as_ref().map(|_| "the Node".to_owned()));
        parts.extend(self.lease.as_ref().map(|_| format!("its Lease in {LEASES}")));
        parts.extend(self.csi_node.then(|| "its CSINode".to_owned()));
        parts.extend(listed("VolumeAttachment", &self.volume_attachments));
        parts.extend(listed("pod", &self.pods));
        parts.extend(listed("undecided certificate request", &self.requests));
        if parts.is_empty() { "nothing is left".to_owned() } else { format!("left: {}", parts.join(", ")) }
    }
}

fn listed<T: std::fmt::Display>(what: &str, items: &[T]) -> Option<String> {
    let first = items.first()?;
    let more = if items.len() > 1 { format!(" and {} more", items.len() - 1) } else { String::new() };
    Some(format!("{what} {first}{more}"))
}

impl ClusterApi {
    /// Looks for everything that a node of that name would leave behind.
    pub async fn remains(&self, name: &NodeName) -> Result<Remains, Error> {
        let node = async { Ok(self.node(name).await?.map(|node| node.uid)) };
        let pods = async { Ok(self.pods_on(name).await?.into_iter().map(|pod| pod.id).collect()) };
        let (node, lease, csi_node, volume_attachments, pods, requests) = futures::try_join!(
            node,
            self.lease_uid(name),
            self.has_csi_node(name),
            self.attachment_names(name),
            pods,
            self.undecided_requests(name),
        )?;
        Ok(Remains { node, lease, csi_node, volume_attachments, pods, requests })
    }

    /// Deletes the node's heartbeat lease with that uid. It usually goes with the Node; a kubelet that lived a moment longer makes it again.
    pub async fn delete_lease(&self, name: &NodeName, uid: &str) -> Result<DeleteOutcome, Error> {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{LEASES}/leases/{name}");
        self.delete_by_uid(&format!("delete the Lease of node {name}"), &path, uid).await
    }

    async fn lease_uid(&self, name: &NodeName) -> Result<Option<String>, Error> {
        let api: kube::Api<Lease> = kube::Api::namespaced(self.client(), LEASES);
        let lease = self.call_opt(&format!("look at the Lease of node {name}"), api.get(name.as_str())).await?;
        Ok(lease.map(|lease| lease.metadata.uid.unwrap_or_default()))
    }

    async fn has_csi_node(&self, name: &NodeName) -> Result<bool, Error> {
        let api: kube::Api<CSINode> = kube::Api::all(self.client());
        Ok(self.call_opt(&format!("look at the CSINode of node {name}"), api.get(name.as_str())).await?.is_some())
    }

    async fn attachment_names(&self, name: &NodeName) -> Result<Vec<String>, Error> {
        let api: kube::Api<VolumeAttachment> = kube::Api::all(self.client());
        let all = self.list("list the VolumeAttachments", &api, &ListParams::default()).await?;
        let here = all.into_iter().filter(|attachment| attachment.spec.node_name == name.as_str());
        Ok(here.filter_map(|attachment| attachment.metadata.name).collect())
    }

    async fn undecided_requests(&self, name: &NodeName) -> Result<Vec<String>, Error> {
        let api: kube::Api<CertificateSigningRequest> = kube::Api::all(self.client());
        let all = self.list("list the certificate requests", &api, &ListParams::default()).await?;
        let user = format!("system:node:{name}");
        let of_node = all.into_iter().filter(|request| request.spec.username.as_ref() == Some(&user));
        let undecided = of_node.filter(|request| {
            request.status.as_ref().and_then(|status| status.conditions.as_ref()).is_none_or(Vec::is_empty)
        });
        Ok(undecided.filter_map(|request| request.metadata.name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_gone_when_none_of_its_objects_is_left() {
        let mut remains = Remains::default();
        assert!(remains.is_gone());
        assert_eq!(remains.sentence(), "nothing is left");
        remains.requests = vec!["csr-1".into()];
        assert!(remains.is_gone(), "a request expires by itself");
        remains.lease = Some("u".into());
        remains.volume_attachments = vec!["va-1".into(), "va-2".into()];
        assert!(!remains.is_gone());
        let sentence = remains.sentence();
        assert!(sentence.contains("its Lease in kube-node-lease, VolumeAttachment va-1 and 1 more"), "{sentence}");
    }

    #[test]
    fn each_kind_alone_keeps_a_node_from_being_gone() {
        let uid = || Some("u".to_owned());
        let pod = PodRef { namespace: "a".into(), name: "b".into() };
        for remains in [
            Remains { node: uid(), ..Remains::default() },
            Remains { lease: uid(), ..Remains::default() },
            Remains { csi_node: true, ..Remains::default() },
            Remains { volume_attachments: vec!["v".into()], ..Remains::default() },
            Remains { pods: vec![pod], ..Remains::default() },
        ] {
            assert!(!remains.is_gone(), "{remains:?}");
        }
    }
}
