//! Lets a learner vote. etcd itself judges whether it has caught up; until then this waits and says so.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::etcd::required;

use crate::membership::{Membership, NOT_SO, blocked, judge, left_to_the_next_look, named};
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const ASK_AGAIN: Duration = Duration::from_secs(1);
const BEHIND: &str = "in sync with leader";

/// Promotes a learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromoteEtcdLearner {
    pub(crate) id: u64,
}

impl PromoteEtcdLearner {
    fn judged(self, found: &Membership) -> Check {
        let Some(member) = found.by_id(self.id) else {
            let explain = format!("there is no member {:x}: {}", self.id, found.listed());
            return blocked(obstacle(Code::ETCD_OTHER_MEMBER, format!("member {:x}", self.id), explain));
        };
        if !member.learner {
            return Check { satisfied: true, ..Check::default() };
        }
        let changes = vec![change("etcd member", named(member), "promote", "it votes from then on")];
        let mut obstacles = Vec::new();
        if member.name.is_empty() {
            let explain = format!("{}: start its etcd first, it has to catch up before it may vote", named(member));
            obstacles.push(obstacle(Code::ETCD_REFUSED, named(member), explain));
        }
        Check { satisfied: false, changes, obstacles }
    }
}

#[async_trait]
impl Perform for PromoteEtcdLearner {
    fn name(&self) -> &'static str {
        "promote-etcd-learner"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("etcdctl member promote {:x}", self.id)]
    }

    fn failure(&self) -> Code {
        NOT_SO
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        judge(host, |found| self.judged(found)).await
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let at = required(host).await?.access;
        operation.progress.say(format!("letting the learner {:x} vote", self.id));
        loop {
            operation.go_on(self.name())?;
            match host.etcd.promote(&at, self.id).await {
                Err(error) if error.to_string().contains(BEHIND) => {
                    operation.progress.say(format!("the learner {:x} has not caught up yet; asking again", self.id));
                    tokio::select! {
                        () = operation.cancelled.cancelled() => {}
                        () = tokio::time::sleep(ASK_AGAIN.min(operation.left())) => {}
                    }
                }
                answer => {
                    if let Some(says) = left_to_the_next_look(answer, &[])? {
                        operation.progress.say(says);
                    }
                    break;
                }
            }
        }
        Ok(Done { changes: found.changes.clone(), record: vec![format!("the member {:x} may vote", self.id)] })
    }
}
