//! Hands the leadership of etcd to another member before the one of this host goes: a leader that goes without a word leaves its cluster without
//! one for an election's time.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::etcd::{self, Access, Refusal};
use slipway_proto::types::Obstacle;

use crate::membership::{Membership, NOT_SO, blocked, left_to_the_next_look, membership, named};
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const POLL: Duration = Duration::from_millis(100);
const SEEN_WITHIN: u32 = 50;

/// Moves the leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoveEtcdLeader {
    pub(crate) to: u64,
}

impl MoveEtcdLeader {
    /// Why the leadership cannot go where it should.
    async fn unfit(&self, host: &Host, found: &Membership) -> Option<Obstacle> {
        let Some(member) = found.by_id(self.to) else {
            let explain = format!("there is no member {:x}: {}", self.to, found.listed());
            return Some(obstacle(Code::ETCD_OTHER_MEMBER, format!("member {:x}", self.to), explain));
        };
        let why = if found.is_own(member) {
            "is the member of this host: name another one".to_owned()
        } else if member.learner {
            "is a learner and cannot lead: name one that votes".to_owned()
        } else {
            answers(host, &found.local.access, member.id, &member.client_urls).await.err()?
        };
        Some(obstacle(Code::ETCD_OTHER_MEMBER, named(member), format!("{} {why}", named(member))))
    }
}

async fn answers(host: &Host, at: &Access, id: u64, urls: &[String]) -> Result<(), String> {
    let mut why = "was never started: name one that runs".to_owned();
    for url in urls.iter().take(8) {
        match tokio::time::timeout(etcd::LONGEST_ANSWER, host.etcd.member_status(&at.at(url))).await {
            Ok(Ok(asked)) if asked.answered == id => return Ok(()),
            Ok(Ok(asked)) => why = format!("is not who answers at {url}, that is {:x}", asked.answered),
            Ok(Err(error)) => why = format!("does not answer: {}", error.coded().message),
            Err(_) => why = format!("did not answer at {url} in time"),
        }
    }
    Err(why)
}

#[async_trait]
impl Perform for MoveEtcdLeader {
    fn name(&self) -> &'static str {
        "move-etcd-leader"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "etcdctl endpoint status --cluster -w table   # who leads; the next line goes to that one".into(),
            format!("etcdctl move-leader {:x}", self.to),
        ]
    }

    fn failure(&self) -> Code {
        NOT_SO
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let found = match membership(host).await? {
            Ok(found) => found,
            Err(obstacle) => return Ok(blocked(obstacle)),
        };
        let own = host.etcd.member_status(&found.local.access).await?;
        if own.status.leader != own.answered {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        let what = format!("leadership of etcd from {:x} to {:x}", own.answered, self.to);
        let changes = vec![change("etcd leader", what, "move", "this host's member leads now")];
        Ok(Check { satisfied: false, changes, obstacles: self.unfit(host, &found).await.into_iter().collect() })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let at = etcd::required(host).await?.access;
        operation.go_on(self.name())?;
        operation.progress.say(format!("handing the leadership of etcd to {:x}", self.to));
        // "Not leader" is what a leadership that moved meanwhile is told as.
        if let Some(says) = left_to_the_next_look(host.etcd.move_leader(&at, self.to).await, &[Refusal::Refused])? {
            operation.progress.say(says);
        }
        let mut leader = 0;
        for _ in 0..SEEN_WITHIN {
            operation.go_on(self.name())?;
            let own = host.etcd.member_status(&at).await?;
            leader = own.status.leader;
            if leader != 0 && leader != own.answered {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(Done { changes: found.changes.clone(), record: vec![format!("the leader of etcd is {leader:x}")] })
    }
}
