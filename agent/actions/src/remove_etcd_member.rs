//! Takes a member out of the etcd, asked at a survivor. By its id, and only if name and peer URLs are those that the plan was made with: by
//! any one of them alone the wrong member has been removed before.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::etcd::Refusal;
use slipway_proto::types::EtcdMember;

use crate::membership::{Membership, NOT_SO, judge, left_to_the_next_look, membership, named, same_urls};
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

/// Removes a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveEtcdMember {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) peer_urls: Vec<String>,
}

impl RemoveEtcdMember {
    fn is_as_named(&self, member: &EtcdMember) -> bool {
        member.name == self.name && same_urls(&member.peer_urls, &self.peer_urls)
    }

    fn judged(&self, found: &Membership) -> Check {
        let Some(member) = found.by_id(self.id) else { return Check { satisfied: true, ..Check::default() } };
        let changes = vec![change("etcd member", named(member), "remove", found.listed())];
        let mut obstacles = Vec::new();
        if !self.is_as_named(member) {
            let asked = EtcdMember {
                id: self.id,
                name: self.name.clone(),
                peer_urls: self.peer_urls.clone(),
                learner: member.learner,
                ..EtcdMember::default()
            };
            let explain = format!(
                "asked was for {}, but etcd has {}: compare them with the nodes' addresses before anything is removed",
                named(&asked),
                named(member)
            );
            obstacles.push(obstacle(Code::ETCD_OTHER_MEMBER, named(member), explain));
        }
        if found.is_own(member) {
            let explain = format!("{} is the member of this host: ask at a host that stays", named(member));
            obstacles.push(obstacle(Code::ETCD_OTHER_MEMBER, named(member), explain));
        }
        Check { satisfied: false, changes, obstacles }
    }
}

#[async_trait]
impl Perform for RemoveEtcdMember {
    fn name(&self) -> &'static str {
        "remove-etcd-member"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "etcdctl member list -w table   # on a host that stays: compare id, name and peer URLs".into(),
            format!("etcdctl member remove {:x}", self.id),
        ]
    }

    fn failure(&self) -> Code {
        NOT_SO
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        judge(host, |found| self.judged(found)).await
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let at = slipway_host::etcd::required(host).await?.access;
        operation.go_on(self.name())?;
        operation.progress.say(format!("removing the member {:x} from etcd", self.id));
        let answer = host.etcd.remove_member(&at, self.id).await;
        // One that is gone meanwhile is gone.
        if let Some(says) = left_to_the_next_look(answer, &[Refusal::Absent])? {
            operation.progress.say(says);
        }
        let mut record = vec![format!("asked at {} to remove the member {:x}", at.url, self.id)];
        if let Ok(now) = membership(host).await? {
            record.push(now.listed());
        }
        Ok(Done { changes: found.changes.clone(), record })
    }
}
