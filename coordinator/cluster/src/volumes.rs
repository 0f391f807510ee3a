//! Whether the node's volumes have let go. A drained node may still hold disks attached; a host that is cleaned then loses them in the middle of
//! a write. Volumes of pods that a drain leaves on the node are told, not waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::ListParams;
use slipway_types::NodeName;

use crate::follow::{Seen, follow};
use crate::{ClusterApi, Error, Pod};

/// What a volume is called in `node.status.volumesAttached` when a CSI driver attaches it.
const CSI_PREFIX: &str = "kubernetes.io/csi/";
const REFRESH: Duration = Duration::from_secs(5);

/// A VolumeAttachment of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AttachedVolume {
    name: String,
    /// The PersistentVolume, where it is one.
    volume: Option<String>,
}

/// All that a node holds, as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct NodeVolumes {
    attachments: Vec<AttachedVolume>,
    /// `node.status.volumesAttached` and `volumesInUse`, each name once.
    reported: BTreeSet<String>,
}

/// Volumes that belong to pods which stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Staying {
    volumes: BTreeSet<String>,
    reported: BTreeSet<String>,
}

/// Which volumes are waited for, and which stay with their pods.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VolumeProgress {
    /// These must go.
    pub waiting: Vec<String>,
    /// These belong to pods that stay on the node.
    pub left: Vec<String>,
    /// Why nothing is heard, where the API server does not answer.
    pub trouble: Option<String>,
}

impl VolumeProgress {
    /// True when nothing is waited for.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.trouble.is_none()
    }

    /// One line about it.
    pub fn sentence(&self) -> String {
        let left =
            if self.left.is_empty() { String::new() } else { format!("; {} stay with their pods", self.left.len()) };
        let trouble = self.trouble.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
        match &self.waiting[..] {
            [] => format!("no volume is attached that would have to go{left}{trouble}"),
            waiting => format!("waiting for {} to detach: {}{left}{trouble}", waiting.len(), waiting.join(", ")),
        }
    }
}

fn split(node: &NodeVolumes, staying: &Staying) -> VolumeProgress {
    let mut progress = VolumeProgress::default();
    for attachment in &node.attachments {
        let stays = attachment.volume.as_ref().is_some_and(|volume| staying.volumes.contains(volume));
        let name = attachment.volume.clone().unwrap_or_else(|| attachment.name.clone());
        if stays { progress.left.push(name) } else { progress.waiting.push(name) }
    }
    for name in &node.reported {
        if staying.reported.contains(name) {
            progress.left.push(name.clone());
        } else {
            progress.waiting.push(name.clone());
        }
    }
    progress
}

impl ClusterApi {
    /// What the node holds now, given the pods that stay on it.
    pub async fn volumes(&self, node: &NodeName, staying: &[Pod]) -> Result<VolumeProgress, Error> {
        let staying = self.volumes_of(staying).await?;
        let attachments =
            self.list("list the VolumeAttachments", &self.attachment_api(), &ListParams::default()).await?;
        let object = self.call_opt(&format!("look at node {node}"), self.node_api().get(node.as_str())).await?;
        let mut held = NodeVolumes::default();
        attachments.into_iter().filter_map(|one| attached_to(node, one)).for_each(|one| held.attachments.push(one));
        held.reported = object.map(reported).unwrap_or_default();
        Ok(split(&held, &staying))
    }

    /// Waits until nothing is attached that would have to go, telling each change. Ends only well; whoever waits sets the deadline by
    /// dropping the future.
    pub async fn volumes_detached(
        &self,
        node: &NodeName,
        staying: &[Pod],
        mut tell: impl FnMut(&VolumeProgress) + Send,
    ) -> Result<VolumeProgress, Error> {
        let mut changes = Box::pin(self.volume_changes(node));
        let mut told = None;
        loop {
            let progress = match self.volumes(node, staying).await {
                Ok(progress) => progress,
                Err(error) if error.is_unreachable() => {
                    VolumeProgress { trouble: Some(error.to_string()), ..told.clone().unwrap_or_default() }
                }
                Err(error) => return Err(error),
            };
            if progress.is_done() {
                tell(&progress);
                return Ok(progress);
            }
            if told.as_ref() != Some(&progress) {
                tell(&progress);
            }
            told = Some(progress);
            // The watch says when to look again; the slow look is for what it may have missed.
            let _ = tokio::time::timeout(REFRESH, changes.next()).await;
        }
    }

    /// One item for each change that could matter.
    fn volume_changes(&self, node: &NodeName) -> impl Stream<Item = ()> + use<> {
        let name = node.clone();
        let attachments =
            follow(self, self.attachment_api(), None, "watch the VolumeAttachments").filter_map(move |seen| {
                let matters = match seen {
                    Seen::Changed(one) | Seen::Gone(one) => one.spec.node_name == name.as_str(),
                    Seen::All(_) => true,
                    Seen::Trouble(_) => false,
                };
                std::future::ready(matters.then_some(()))
            });
        let fields = Some(format!("metadata.name={node}"));
        let doing = format!("watch node {node}");
        let mut before = None;
        let reports = follow(self, self.node_api(), fields, &doing).filter_map(move |seen| {
            let now = match seen {
                Seen::Changed(node) => reported(node),
                Seen::All(nodes) => nodes.into_iter().next().map(reported).unwrap_or_default(),
                Seen::Gone(_) | Seen::Trouble(_) => BTreeSet::new(),
            };
            let changed = before.as_ref() != Some(&now);
            before = Some(now);
            std::future::ready(changed.then_some(()))
        });
        futures::stream::select(attachments, reports)
    }

    /// The volumes behind the claims of pods, by PersistentVolume and by the name that nodes report.
    async fn volumes_of(&self, pods: &[Pod]) -> Result<Staying, Error> {
        let mut staying = Staying::default();
        let claims: BTreeSet<(&String, &String)> =
            pods.iter().flat_map(|pod| pod.claims.iter().map(move |claim| (&pod.id.namespace, claim))).collect();
        for (namespace, claim) in claims {
            let api: kube::Api<core::PersistentVolumeClaim> = kube::Api::namespaced(self.client(), namespace);
            let found = self.call_opt(&format!("look at claim {namespace}/{claim}"), api.get(claim)).await?;
            let Some(name) = found.and_then(|claim| claim.spec).and_then(|spec| spec.volume_name) else { continue };
            let api: kube::Api<core::PersistentVolume> = kube::Api::all(self.client());
            let volume = self.call_opt(&format!("look at volume {name}"), api.get(&name)).await?;
            staying.reported.extend(volume.and_then(reported_name));
            staying.volumes.insert(name);
        }
        Ok(staying)
    }

    fn attachment_api(&self) -> kube::Api<VolumeAttachment> {
        kube::Api::all(self.client())
    }
}

fn attached_to(node: &NodeName, attachment: VolumeAttachment) -> Option<AttachedVolume> {
    (attachment.spec.node_name == node.as_str()).then(|| AttachedVolume {
        name: attachment.metadata.name.unwrap_or_default(),
        volume: attachment.spec.source.persistent_volume_name,
    })
}

fn reported(node: core::Node) -> BTreeSet<String> {
    let status = node.status.unwrap_or_default();
    let attached = status.volumes_attached.unwrap_or_default().into_iter().map(|volume| volume.name);
    attached.chain(status.volumes_in_use.unwrap_or_default()).collect()
}

fn reported_name(volume: core::PersistentVolume) -> Option<String> {
    let csi = volume.spec?.csi?;
    Some(format!("{CSI_PREFIX}{}^{}", csi.driver, csi.volume_handle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn held() -> NodeVolumes {
        let attachment =
            |name: &str, volume: Option<&str>| AttachedVolume { name: name.into(), volume: volume.map(str::to_owned) };
        NodeVolumes {
            attachments: vec![
                attachment("csi-1", Some("pv-1")),
                attachment("csi-2", Some("pv-2")),
                attachment("csi-3", None),
            ],
            reported: names(&["kubernetes.io/csi/d^h1", "kubernetes.io/csi/d^h2"]),
        }
    }

    #[test]
    fn every_volume_is_waited_for_unless_its_pod_stays() {
        let all = split(&held(), &Staying::default());
        assert_eq!(all.waiting, ["pv-1", "pv-2", "csi-3", "kubernetes.io/csi/d^h1", "kubernetes.io/csi/d^h2"]);
        let staying = Staying { volumes: names(&["pv-1"]), reported: names(&["kubernetes.io/csi/d^h1"]) };
        let progress = split(&held(), &staying);
        assert_eq!(progress.waiting, ["pv-2", "csi-3", "kubernetes.io/csi/d^h2"]);
        assert_eq!(progress.left, ["pv-1", "kubernetes.io/csi/d^h1"]);
        assert!(!progress.is_done());
    }

    #[test]
    fn silence_is_not_taken_for_detached() {
        let mut progress = VolumeProgress::default();
        assert!(progress.is_done());
        progress.trouble = Some("no answer".into());
        assert!(!progress.is_done());
        assert!(progress.sentence().ends_with("; no answer"));
    }

    #[test]
    fn a_csi_volume_is_reported_by_driver_and_handle() {
        let volume = serde_json::json!({"spec": {"csi": {"driver": "d.example", "volumeHandle": "h"}}});
        assert_eq!(
            reported_name(serde_json::from_value(volume).unwrap()),
            Some("kubernetes.io/csi/d.example^h".into())
        );
    }
}
