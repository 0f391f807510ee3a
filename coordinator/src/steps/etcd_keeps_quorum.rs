//! Would etcd keep its quorum without this member, and does the operator know what it costs? Asked in the preflight, and again right before
//! the change: an answer is as old as the moment it was given in.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_cluster::etcd::{Change, Member, MemberId, Projection, SINGLE_MEMBER_FLAG, Verdict, project};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use crate::etcd::agreed;
use crate::world::World;

/// What the operator has said yes to beforehand, as flows take it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Consent {
    /// Yes to an etcd that survives fewer failures.
    pub accept_less_tolerance: bool,
    /// Yes to an etcd of one member.
    pub leave_one_etcd_member: bool,
}

impl Consent {
    /// What the removal of a member would make of etcd, if it may begin with what was said.
    pub fn removal(self, members: &[Member], member: MemberId) -> Result<Projection, Coded> {
        let projection = project(members, &Change::Remove(member));
        self.judge(&projection.verdict).map(|()| projection)
    }

    /// Whether a verdict may pass with what was said.
    pub fn judge(self, verdict: &Verdict) -> Result<(), Coded> {
        let refused = |code: Code, text: &str, way: &str| Err(Coded::new(code, text).do_this(way));
        match verdict {
            Verdict::Allowed => Ok(()),
            Verdict::NeedsWord { .. } if self.accept_less_tolerance || self.leave_one_etcd_member => Ok(()),
            Verdict::NeedsFlag { .. } if self.leave_one_etcd_member => Ok(()),
            Verdict::NeedsWord { text } => {
                refused(Code::QUORUM_WORD, text, "if that is meant, say --accept-less-tolerance")
            }
            Verdict::NeedsFlag { text } => {
                refused(Code::QUORUM_WORD, text, &format!("if that is meant, say {SINGLE_MEMBER_FLAG}"))
            }
            Verdict::Refused { text } => refused(Code::QUORUM_LOST, text, "slipway etcd status shows each member"),
        }
    }
}

/// See the module.
pub struct EtcdKeepsQuorum {
    /// The node whose member leaves; none: a member of no node.
    pub node: Option<NodeName>,
    /// The member.
    pub member: MemberId,
    /// What the operator has said yes to.
    pub consent: Consent,
    /// The step's name, without the node's.
    pub name: &'static str,
    /// What it would be like, as it was seen when the plan was made.
    pub sentence: String,
    /// What a no means for the run.
    pub on_failure: OnFailure,
}

/// A member by its node, or by its id where it has none.
pub(super) fn whose(node: Option<&NodeName>, member: MemberId) -> String {
    node.map_or_else(|| member.to_string(), ToString::to_string)
}

#[async_trait]
impl Step<World> for EtcdKeepsQuorum {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.name, whose(self.node.as_ref(), self.member)))
    }

    fn summary(&self) -> String {
        format!("etcd keeps its quorum without {}: {}", whose(self.node.as_ref(), self.member), self.sentence)
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["etcdctl endpoint health --cluster   # on another master; every member but one that leaves".to_owned()]
    }

    fn node(&self) -> Option<NodeName> {
        self.node.clone()
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().tries(3).on_failure(self.on_failure)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let view = agreed(cx.world, self.node.as_ref()).await.map_err(StepError::retry)?;
        if view.member(self.member).is_none() {
            cx.say(format!("member {} is not in the list any more", self.member));
            return Ok(true);
        }
        let projection = self.consent.removal(&view.members, self.member).map_err(StepError::Veto)?;
        cx.say(projection.sentence);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cost_has_a_word_of_its_own_and_a_refusal_has_none() {
        let text = || "x".to_owned();
        let all = Consent { accept_less_tolerance: true, leave_one_etcd_member: true };
        let word = Consent { accept_less_tolerance: true, leave_one_etcd_member: false };
        assert!(Consent::default().judge(&Verdict::Allowed).is_ok());
        let refused = Consent::default().judge(&Verdict::NeedsWord { text: text() }).unwrap_err();
        assert!(refused.to_string().contains("--accept-less-tolerance"), "{refused}");
        assert!(word.judge(&Verdict::NeedsWord { text: text() }).is_ok());
        assert!(word.judge(&Verdict::NeedsFlag { text: text() }).is_err());
        assert!(all.judge(&Verdict::NeedsFlag { text: text() }).is_ok());
        assert_eq!(all.judge(&Verdict::Refused { text: text() }).unwrap_err().code, Code::QUORUM_LOST);
    }
}
