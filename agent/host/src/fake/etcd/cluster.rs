//! The state of a fake etcd as one serialisable value: members, leader, raft, and how often each change was made.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_proto::types::{EtcdMember, EtcdMemberStatus};

/// A member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Its name; empty: it was added and never started.
    pub name: String,
    /// Where the others reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// It does not vote.
    pub learner: bool,
    /// A process of it runs.
    pub runs: bool,
    /// Its network is cut: nobody reaches it, it reaches nobody.
    pub cut: bool,
    /// As a learner, it has caught up.
    pub caught_up: bool,
    /// What it runs; empty: what every member of the cluster does.
    #[serde(default)]
    pub version: String,
}

impl Member {
    /// It was started once.
    pub fn is_started(&self) -> bool {
        !self.name.is_empty()
    }

    /// It takes part now.
    pub fn is_healthy(&self) -> bool {
        self.is_started() && self.runs && !self.cut
    }
}

/// A cluster of etcd.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Its id; 0: nobody has founded it yet.
    pub id: u64,
    /// What a member runs that has no version of its own.
    pub version: String,
    /// Its members, in the order that they came.
    pub members: Vec<Member>,
    /// Who leads; 0: nobody.
    pub leader: u64,
    /// Rises with every election.
    pub term: u64,
    /// Rises with every write.
    pub index: u64,
    /// How many members there ever were: ids are never used again.
    pub made: u64,
    /// Alarms, by member.
    pub alarms: BTreeMap<u64, String>,
    /// Keys and values.
    pub keys: BTreeMap<String, String>,
    /// How often each change was made: an independent witness. `etcd remove-member 8e9e05c52164694d` and the like.
    pub effects: BTreeMap<String, u64>,
}

impl Cluster {
    /// The member with that id.
    pub fn member(&self, id: u64) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    pub(super) fn member_mut(&mut self, id: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.id == id)
    }

    /// The member of that name.
    pub fn named(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    pub(super) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.learner)
    }

    /// A majority of the voters takes part.
    pub fn has_quorum(&self) -> bool {
        let (all, healthy) = (self.voters().count(), self.voters().filter(|member| member.is_healthy()).count());
        all > 0 && healthy > all / 2
    }

    /// Elects where the leader went and a majority is there; without one nobody leads.
    pub(super) fn settle(&mut self) {
        let leads = self.voters().any(|member| member.id == self.leader && member.is_healthy());
        if !self.has_quorum() {
            self.leader = 0;
        } else if !leads {
            let next = self.voters().find(|member| member.is_healthy()).map_or(0, |member| member.id);
            self.term += 1;
            self.leader = next;
        }
    }

    pub(super) fn witness(&mut self, effect: String) {
        self.index += 1;
        *self.effects.entry(effect).or_default() += 1;
    }

    /// An id as etcd would draw it: large, and never the same twice.
    pub(super) fn next_id(&mut self) -> u64 {
        self.made += 1;
        self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) | 1 << 63
    }

    pub(super) fn listed(&self) -> Vec<EtcdMember> {
        let one = |member: &Member| EtcdMember {
            id: member.id,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            learner: member.learner,
            ..EtcdMember::default()
        };
        self.members.iter().map(one).collect()
    }

    /// What that member runs.
    pub fn version_of(&self, id: u64) -> String {
        let own = self.member(id).map(|member| member.version.clone()).filter(|version| !version.is_empty());
        own.unwrap_or_else(|| self.version.clone())
    }

    pub(super) fn status_of(&self, id: u64) -> EtcdMemberStatus {
        EtcdMemberStatus {
            version: self.version_of(id),
            leader: self.leader,
            raft_term: self.term,
            raft_index: self.index,
            raft_applied_index: self.index,
            db_size_bytes: 4096 * (16 + self.keys.len() as u64),
            db_in_use_bytes: 4096 * (8 + self.keys.len() as u64),
            errors: self.alarms.get(&id).map(|alarm| format!("alarm: {alarm}")).into_iter().collect(),
        }
    }

    /// Writes a key, as a client of the member `via` does. Acknowledged only with a majority.
    pub fn put(&mut self, via: &str, key: &str, value: &str) -> bool {
        self.settle();
        let may = self.named(via).is_some_and(Member::is_healthy) && self.has_quorum();
        if may {
            self.index += 1;
            self.keys.insert(key.to_owned(), value.to_owned());
        }
        may
    }
}
