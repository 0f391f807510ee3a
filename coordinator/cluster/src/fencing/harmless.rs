//! Whether a silent node holds anything that could be harmed by taking it for dead. Where it holds nothing but what belongs to every node,
//! it does not matter whether its host still runs.

use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::ListParams;
use slipway_types::NodeName;

use crate::{ClusterApi, DaemonSets, DrainFlags, Error, Pod, PodRef, Verdict, classify};

/// What a node holds that needs a proof before it is given up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Harmless {
    /// Pods other than those of DaemonSets and static ones.
    pub pods: Vec<PodRef>,
    /// VolumeAttachments.
    pub attachments: Vec<String>,
}

impl Harmless {
    /// True where nothing is held.
    pub fn is_harmless(&self) -> bool {
        self.pods.is_empty() && self.attachments.is_empty()
    }

    /// One line about it.
    pub fn sentence(&self) -> String {
        if self.is_harmless() {
            return "it holds nothing but DaemonSet and static pods, and no volume".to_owned();
        }
        let some = |what: &str, count: usize, first: Option<String>| {
            first.map(|first| format!("{count} {what} ({first}{})", if count > 1 { ", ..." } else { "" }))
        };
        let pods = some("pods", self.pods.len(), self.pods.first().map(ToString::to_string));
        let volumes = some("VolumeAttachments", self.attachments.len(), self.attachments.first().cloned());
        format!("it holds {}", pods.into_iter().chain(volumes).collect::<Vec<_>>().join(" and "))
    }
}

/// Pods that could be harmed. One that is being deleted still counts: nobody has confirmed its end.
fn held(pods: &[Pod], daemon_sets: &DaemonSets) -> Vec<PodRef> {
    let belongs =
        |pod: &Pod| pod.is_finished() || matches!(classify(pod, daemon_sets, DrainFlags::default()), Verdict::Leave(_));
    pods.iter().filter(|pod| !belongs(pod)).map(|pod| pod.id.clone()).collect()
}

impl ClusterApi {
    /// What the node of that name holds.
    pub async fn harmless(&self, node: &NodeName) -> Result<Harmless, Error> {
        let pods = self.pods_on(node).await?;
        let daemon_sets = self.daemon_sets_of(&pods).await?;
        let api: kube::Api<VolumeAttachment> = kube::Api::all(self.client());
        let all = self.list("list the VolumeAttachments", &api, &ListParams::default()).await?;
        let here = all.into_iter().filter(|attachment| attachment.spec.node_name == node.as_str());
        let attachments = here.filter_map(|attachment| attachment.metadata.name).collect();
        Ok(Harmless { pods: held(&pods, &daemon_sets), attachments })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::tests::replica;
    use crate::{Owner, PodPhase};
    use slipway_types::Timestamp;

    #[test]
    fn only_what_belongs_to_every_node_is_harmless() {
        let mut sets = DaemonSets::default();
        sets.learn("alive", true);
        sets.learn("dead", false);
        let daemon = |uid: &str| Owner { kind: "DaemonSet".into(), name: "cni".into(), uid: uid.into() };
        let pods = [
            Pod { owner: Some(daemon("alive")), ..replica("ds") },
            Pod { mirror: true, owner: None, ..replica("mirror") },
            Pod { phase: PodPhase::Succeeded, ..replica("ended") },
            Pod { owner: Some(daemon("dead")), ..replica("orphan") },
            Pod { deletion: Some(Timestamp::UNIX_EPOCH), ..replica("leaving") },
            replica("web"),
        ];
        let names: Vec<String> = held(&pods, &sets).into_iter().map(|pod| pod.name).collect();
        assert_eq!(names, ["orphan", "leaving", "web"]);
    }

    #[test]
    fn a_volume_alone_is_enough_to_need_a_proof() {
        let attached = Harmless { attachments: vec!["csi-1".into()], ..Harmless::default() };
        assert!(!attached.is_harmless());
        assert_eq!(attached.sentence(), "it holds 1 VolumeAttachments (csi-1)");
        assert!(Harmless::default().is_harmless());
    }
}
