//! Adds a member that does not vote yet: a new voter that never comes up would count against the majority from its first moment, a learner does
//! not. It is known by its peer URLs, so that asking twice adds one.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::etcd::{Members, member_of, required};

use crate::membership::{
    Membership, NOT_SO, blocked, judge, left_to_the_next_look, membership, named, same_urls, same_urls_in_part,
};
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

/// Adds a learner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddEtcdLearner {
    pub(crate) name: String,
    pub(crate) peer_urls: Vec<String>,
}

impl AddEtcdLearner {
    fn judged(&self, found: &Membership) -> Check {
        let list = &found.members.list;
        let clash = list.iter().find(|member| same_urls_in_part(&member.peer_urls, &self.peer_urls));
        if let Some(member) = clash {
            let same = same_urls(&member.peer_urls, &self.peer_urls);
            if same && (member.name.is_empty() || member.name == self.name) {
                return Check { satisfied: true, ..Check::default() };
            }
            let explain = format!(
                "{} has these peer URLs already, and is not {}: remove it first if its host is gone",
                named(member),
                self.name
            );
            return blocked(obstacle(Code::ETCD_OTHER_MEMBER, named(member), explain));
        }
        let what = format!("{} ({})", self.name, self.peer_urls.join(","));
        let mut check = Check {
            changes: vec![change("etcd member", what, "add", "as a learner: it does not vote yet")],
            ..Check::default()
        };
        if let Some(learner) = list.iter().find(|member| member.learner) {
            let explain =
                format!("{} is a learner, and etcd takes one at a time: promote or remove it first", named(learner));
            check.obstacles.push(obstacle(Code::ETCD_REFUSED, named(learner), explain));
        }
        check
    }

    fn id_in(&self, members: &Members) -> Option<u64> {
        member_of(&members.list, &self.peer_urls).map(|member| member.id)
    }
}

#[async_trait]
impl Perform for AddEtcdLearner {
    fn name(&self) -> &'static str {
        "add-etcd-learner"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("etcdctl member add {} --learner --peer-urls={}", self.name, self.peer_urls.join(","))]
    }

    fn failure(&self) -> Code {
        NOT_SO
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        judge(host, |found| self.judged(found)).await
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let at = required(host).await?.access;
        operation.go_on(self.name())?;
        operation.progress.say(format!("adding {} to etcd as a learner", self.name));
        let answer = host.etcd.add_learner(&at, &self.peer_urls).await.map(|_| ());
        if let Some(says) = left_to_the_next_look(answer, &[])? {
            operation.progress.say(says);
        }
        let mut record = Vec::new();
        if let Ok(now) = membership(host).await? {
            record.extend(self.id_in(&now.members).map(|id| format!("the learner {} is {id:x}", self.name)));
            record.push(now.listed());
        }
        Ok(Done { changes: found.changes.clone(), record })
    }
}
