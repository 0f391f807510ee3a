//! Steps about who is in etcd. Whether a change may begin is the product's projection; it is asked anew right before each change.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::{Change, Member, MemberId, Verdict, project};
use slipway_coordinator::steps::Consent;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::{HostDeed, LOOK_AGAIN};
use crate::deed::Deed;
use crate::mutants::Mutant;
use crate::site::Site;

type Cx<'a> = StepCx<'a, Site>;

/// The name of the look right before the point of no return.
pub const AGAIN: &str = "etcd-still-keeps-quorum";

async fn agreed(cx: &Cx<'_>, hosts: &[(NodeName, usize)]) -> Result<Vec<Member>, StepError> {
    let hosts: Vec<usize> = hosts.iter().map(|(_, host)| *host).collect();
    cx.world.members(&hosts).await.map_err(StepError::retry)
}

/// Asks one host after the other until one does it.
async fn ask_in_turn(cx: &Cx<'_>, hosts: &[(NodeName, usize)], deed: &Deed) -> Result<(), StepError> {
    let mut last = StepError::retry(Coded::new(Code::ETCD_SILENT, "no agent of a master answers"));
    for (node, host) in hosts {
        match HostDeed::new(node, *host, deed.clone()).run(cx).await {
            Ok(()) => return Ok(()),
            Err(StepError::Wait { why, .. }) => last = StepError::retry(why),
            Err(StepError::Pause(why)) if why.code == Code::NODE_UNREACHABLE => last = StepError::retry(why),
            Err(other) => return Err(other),
        }
    }
    Err(last)
}

/// Etcd keeps its quorum without a member.
pub struct KeepsQuorum {
    /// The node of the member.
    pub node: NodeName,
    /// The member.
    pub member: u64,
    /// What the operator has said yes to.
    pub consent: Consent,
    /// The step's name.
    pub name: &'static str,
    /// The hosts of the others.
    pub others: Vec<(NodeName, usize)>,
}

#[async_trait]
impl Step<Site> for KeepsQuorum {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.name, self.node))
    }

    fn summary(&self) -> String {
        format!("etcd keeps its quorum without {}", self.node)
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(3).on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        if cx.world.mutant == Some(Mutant::NoSecondProjection) && self.name == AGAIN {
            return Ok(true);
        }
        let members = agreed(cx, &self.others).await?;
        if members.iter().all(|member| member.id.0 != self.member) {
            return Ok(true);
        }
        self.consent.removal(&members, MemberId(self.member)).map_err(StepError::Veto)?;
        Ok(true)
    }
}

/// A member leaves.
pub struct LeavesEtcd {
    /// The node of the member.
    pub node: NodeName,
    /// The member.
    pub member: u64,
    /// What the operator has said yes to.
    pub consent: Consent,
    /// The hosts of the others.
    pub others: Vec<(NodeName, usize)>,
}

#[async_trait]
impl Step<Site> for LeavesEtcd {
    fn id(&self) -> StepId {
        StepId(format!("remove-etcd-member-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("take {} out of etcd", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        Ok(agreed(cx, &self.others).await?.iter().all(|member| member.id.0 != self.member))
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        if cx.world.mutant != Some(Mutant::NoSecondProjection) {
            let members = agreed(cx, &self.others).await?;
            if members.iter().any(|member| member.id.0 == self.member) {
                self.consent.removal(&members, MemberId(self.member)).map_err(StepError::Pause)?;
            }
        }
        ask_in_turn(cx, &self.others, &Deed::RemoveMember(self.member)).await.map(|()| Vec::new())
    }
}

/// Etcd keeps its quorum while a member is away for a moment.
pub struct BearsStop {
    /// The node of the member.
    pub node: NodeName,
    /// The member.
    pub member: u64,
    /// The hosts of all masters.
    pub masters: Vec<(NodeName, usize)>,
}

#[async_trait]
impl Step<Site> for BearsStop {
    fn id(&self) -> StepId {
        StepId(format!("etcd-bears-stop-of-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("etcd keeps its quorum while {} restarts", self.node)
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(3).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        if cx.world.mutant == Some(Mutant::NoLookBeforeStop) {
            return Ok(true);
        }
        let members = agreed(cx, &self.masters).await?;
        match project(&members, &Change::Stop(MemberId(self.member))).verdict {
            Verdict::Allowed => Ok(true),
            Verdict::NeedsWord { text } | Verdict::NeedsFlag { text } | Verdict::Refused { text } => {
                Err(StepError::Veto(Coded::new(Code::QUORUM_LOST, text)))
            }
        }
    }
}

/// A new member comes as a learner.
pub struct AddLearner {
    /// The node of its host.
    pub node: NodeName,
    /// Its host.
    pub host: usize,
    /// The hosts of the members.
    pub others: Vec<(NodeName, usize)>,
}

#[async_trait]
impl Step<Site> for AddLearner {
    fn id(&self) -> StepId {
        StepId(format!("add-etcd-learner-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} becomes a member of etcd that does not vote yet", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        Ok(agreed(cx, &self.others).await?.iter().any(|member| member.name == self.node.as_str()))
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        let members = agreed(cx, &self.others).await?;
        match project(&members, &Change::AddLearner).verdict {
            Verdict::Allowed => {}
            other => {
                let text = other.text().unwrap_or_default().to_owned();
                return Err(StepError::Wait { after: Some(LOOK_AGAIN), why: Coded::new(Code::QUORUM_LOST, text) });
            }
        }
        ask_in_turn(cx, &self.others, &Deed::AddLearner(self.host)).await.map(|()| Vec::new())
    }
}

/// The learner votes.
pub struct Promote {
    /// The node of its host.
    pub node: NodeName,
    /// The hosts of the members.
    pub others: Vec<(NodeName, usize)>,
}

#[async_trait]
impl Step<Site> for Promote {
    fn id(&self) -> StepId {
        StepId(format!("promote-etcd-learner-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} votes in etcd", self.node)
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &Cx<'_>) -> Result<bool, StepError> {
        let members = agreed(cx, &self.others).await?;
        Ok(members.iter().any(|member| member.name == self.node.as_str() && !member.learner))
    }

    async fn act(&self, cx: &Cx<'_>) -> Result<Vec<String>, StepError> {
        let members = agreed(cx, &self.others).await?;
        let unknown = || StepError::Pause(Coded::new(Code::MEMBER_MISMATCH, "the learner is gone"));
        let member = members.iter().find(|member| member.name == self.node.as_str()).ok_or_else(unknown)?;
        if let Verdict::Refused { text } = project(&members, &Change::Promote(member.id)).verdict {
            return Err(StepError::Wait { after: Some(LOOK_AGAIN), why: Coded::new(Code::QUORUM_LOST, text) });
        }
        ask_in_turn(cx, &self.others, &Deed::Promote(member.id.0)).await.map(|()| Vec::new())
    }
}
