//! The certificates of the control plane, for one master that joins: uploaded by a master that stays, under a key that lives in this process
//! alone and only for as long as the join begins. Whoever has key and Secret has the cluster, so the Secret goes on every way out. A join that
//! is taken up after a crash has a new key and a new upload.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_cluster::UploadedCertificates;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_identity::random;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, UploadCertificates};
use slipway_types::{NodeName, OperationId, Secret, StepId};

use super::HostTarget;
use super::fail::api;
use super::host_action::Brings;
use super::survivors::ask_in_turn_with;
use crate::agents::follow;
use crate::world::World;

const UPLOAD: &str = "upload-certificates";
const ONE_UPLOAD: Duration = Duration::from_mins(5);
/// For so long a master that does not answer is asked again: one lost answer is no silence.
const ASKED_AGAIN: Duration = Duration::from_secs(10);
/// Earlier uploads of a step that are looked for.
const MOST_ATTEMPTS: u32 = 32;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Certificates {
    /// The master that joins with them.
    pub node: NodeName,
    /// Hosts of the masters that stay, in the order in which they are asked.
    pub survivors: Vec<HostTarget>,
    /// Where the certificates lie there; empty: where kubeadm has them.
    pub folder: String,
    /// The token of those that somebody else had uploaded when the plan was made.
    pub of_others: Option<String>,
}

/// The step that joins that node: it is the one that has them uploaded.
fn join_of(node: &NodeName) -> StepId {
    StepId(format!("join-{node}"))
}

/// The part of it that uploads, whoever asks for it.
fn upload_of(node: &NodeName) -> StepId {
    StepId(format!("{}.{UPLOAD}", join_of(node)))
}

impl Certificates {
    /// Those that are uploaded, unless somebody else had done it before.
    async fn ours(&self, cx: &StepCx<'_, World>) -> Result<Option<UploadedCertificates>, StepError> {
        let found = cx.world.cluster.uploaded_certificates().await.map_err(|error| api(error.into()))?;
        Ok(found.filter(|found| self.of_others.as_ref() != Some(&found.token)))
    }

    /// Uploads them under a new key, which is the answer.
    pub(super) async fn upload(&self, cx: &StepCx<'_, World>) -> Result<Secret, StepError> {
        self.delete(cx).await?;
        let no_key = || StepError::retry(Coded::new(Code::INTERNAL, "the system gave no random bytes for a key"));
        let key = random::hex::<32>().ok().and_then(Secret::new).ok_or_else(no_key)?;
        let folder = self.folder.clone();
        let upload =
            Kind::UploadCertificates(UploadCertificates { cri_socket: String::new(), certificates_dir: folder });
        let action = (&Action { action: Some(upload) }, UPLOAD, ONE_UPLOAD);
        ask_in_turn_with(&cx.part(UPLOAD), &self.survivors, action, self.node.as_str(), &Brings::Key(key.clone()))
            .await?;
        match self.ours(cx).await? {
            Some(_) => Ok(key),
            None => Err(StepError::retry(Coded::new(
                Code::JOIN_MASTER,
                "kubeadm uploaded the certificates, and the Secret kubeadm-certs is not there",
            ))),
        }
    }

    /// Nobody is at an upload any more: one that ended later would leave what was just deleted.
    async fn settled(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let step = upload_of(&self.node);
        // Under the join itself no later attempt has begun than the present one.
        let newest = if cx.step == join_of(&self.node) { cx.attempt } else { MOST_ATTEMPTS };
        let patience = ASKED_AGAIN.min(cx.world.settings.patience());
        for survivor in &self.survivors {
            let Some(host) = cx.world.hosts.get(&survivor.host_id).await.map_err(StepError::retry)? else { continue };
            for attempt in (1..=newest).rev().take(MOST_ATTEMPTS as usize) {
                let operation = OperationId::of(&cx.run, &step, attempt);
                let (clock, agents) = (cx.clock.as_ref(), cx.world.agents.as_ref());
                let ended = follow(agents, &host, &operation, (clock, patience), &|says| cx.say(says)).await;
                if ended.is_err() {
                    cx.say(format!("{} is silent: what it may have uploaded ends by itself", host.name));
                    break;
                }
            }
        }
        Ok(())
    }

    /// They are gone, and nobody is about to upload them again.
    pub(super) async fn delete(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.settled(cx).await?;
        let Some(found) = self.ours(cx).await? else { return Ok(false) };
        cx.world.cluster.delete_uploaded_certificates(&found).await.map_err(|error| api(error.into()))?;
        match self.ours(cx).await? {
            None => Ok(true),
            Some(_) => Err(StepError::retry(Coded::new(
                Code::JOIN_MASTER,
                "the Secret kubeadm-certs was deleted and is there again",
            ))),
        }
    }
}

/// Deletes them once they have served.
pub struct DeleteCertificates {
    /// Whose they were.
    pub certificates: Certificates,
}

#[async_trait]
impl Step<World> for DeleteCertificates {
    fn id(&self) -> StepId {
        StepId(format!("delete-certificates-{}", self.certificates.node))
    }

    fn summary(&self) -> String {
        format!("the certificates that were uploaded for {} are deleted", self.certificates.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["kubectl --namespace kube-system delete secret kubeadm-certs".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.certificates.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        // An upload that is still under way would bring them a moment after nobody was seen to have any.
        self.certificates.settled(cx).await?;
        Ok(self.certificates.ours(cx).await?.is_none())
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let deleted = self.certificates.delete(cx).await?;
        Ok(deleted.then(|| "deleted the Secret kubeadm-certs and its token".to_owned()).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_looked_for_under_the_step_that_has_it_done() {
        let node: NodeName = "m2".parse().unwrap();
        let join = StepCx::detached(&(), "r1", join_of(&node));
        assert_eq!(join.part(UPLOAD).step, upload_of(&node));
        let certificates = Certificates { node, survivors: vec![], folder: String::new(), of_others: None };
        let delete = DeleteCertificates { certificates };
        assert_ne!(delete.id(), join.step, "it asks from another step");
    }
}
