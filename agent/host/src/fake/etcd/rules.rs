//! What etcd lets be done to its members, with its own words for what it does not: the checks of `--strict-reconfig-check`, ids instead of
//! names, one learner at a time, leadership handed over by the leader alone.

use super::cluster::{Cluster, Member};
use crate::etcd::Refusal;

/// Why a call came to nothing.
pub(super) type No = (Refusal, &'static str);

pub(super) const UNREACHED: No = (Refusal::Silent, "connection refused");
const TIMED_OUT: No = (Refusal::Silent, "etcdserver: request timed out");
const UNHEALTHY: No = (Refusal::Refused, "etcdserver: unhealthy cluster");
const NOT_FOUND: No = (Refusal::Absent, "etcdserver: member not found");

impl Cluster {
    /// The member that is asked: it must run, and not have been removed.
    pub(super) fn answering(&self, id: u64) -> Result<&Member, No> {
        self.member(id).filter(|member| member.is_healthy()).ok_or(UNREACHED)
    }

    pub(super) fn read_with_quorum(&self, via: u64) -> Result<(), No> {
        if self.answering(via)?.learner {
            return Err((Refusal::Refused, "etcdserver: rpc not supported for learner"));
        }
        if self.has_quorum() { Ok(()) } else { Err(TIMED_OUT) }
    }

    pub(super) fn remove(&mut self, via: u64, id: u64) -> Result<(), No> {
        self.read_with_quorum(via)?;
        let Some(gone) = self.member(id) else { return Err(NOT_FOUND) };
        if !gone.learner {
            let others: Vec<&Member> = self.voters().filter(|member| member.id != id).collect();
            let started = others.iter().filter(|member| member.is_started()).count();
            if started < others.len() / 2 + 1 {
                return Err((
                    Refusal::Refused,
                    "etcdserver: re-configuration failed due to not enough started members",
                ));
            }
            let healthy = others.iter().filter(|member| member.is_healthy()).count();
            // One that is down takes no part in the quorum, so it may always go.
            if gone.is_healthy() && healthy < self.voters().count().saturating_sub(1) / 2 + 1 {
                return Err(UNHEALTHY);
            }
        }
        self.members.retain(|member| member.id != id);
        self.alarms.remove(&id);
        self.witness(format!("etcd remove-member {id:x}"));
        self.settle();
        Ok(())
    }

    pub(super) fn hand_over(&mut self, via: u64, to: u64) -> Result<(), No> {
        self.read_with_quorum(via)?;
        if self.leader != via {
            return Err((Refusal::Refused, "etcdserver: not leader"));
        }
        if !self.voters().any(|member| member.id == to && member.is_healthy()) {
            return Err((Refusal::Refused, "etcdserver: bad leader transferee"));
        }
        if to != self.leader {
            self.leader = to;
            self.term += 1;
            self.witness(format!("etcd move-leader {to:x}"));
        }
        Ok(())
    }

    pub(super) fn add(&mut self, via: u64, peer_urls: &[String]) -> Result<u64, No> {
        self.read_with_quorum(via)?;
        if self.members.iter().any(|member| member.peer_urls.iter().any(|url| peer_urls.contains(url))) {
            return Err((Refusal::Refused, "etcdserver: Peer URLs already exists"));
        }
        if self.members.iter().any(|member| member.learner) {
            return Err((Refusal::Refused, "etcdserver: too many learner members in cluster"));
        }
        if self.voters().any(|member| !member.is_healthy()) {
            return Err(UNHEALTHY);
        }
        let id = self.next_id();
        self.members.push(Member { id, peer_urls: peer_urls.to_vec(), learner: true, ..Member::default() });
        self.witness(format!("etcd add-learner {}", peer_urls.join(",")));
        Ok(id)
    }

    pub(super) fn let_vote(&mut self, via: u64, id: u64) -> Result<(), No> {
        self.read_with_quorum(via)?;
        let Some(member) = self.member_mut(id) else { return Err(NOT_FOUND) };
        if !member.learner {
            return Err((Refusal::Refused, "etcdserver: can only promote a learner member"));
        }
        if !member.is_healthy() || !member.caught_up {
            return Err((
                Refusal::Refused,
                "etcdserver: can only promote a learner member which is in sync with leader",
            ));
        }
        member.learner = false;
        self.witness(format!("etcd promote {id:x}"));
        Ok(())
    }

    /// A member is added at that URL, as by somebody who asks the leader; one that is there already is taken as it is.
    pub(in crate::fake) fn admit(&mut self, peer_url: &str) -> bool {
        self.settle();
        let there = self.members.iter().any(|member| member.peer_urls.iter().any(|url| url == peer_url));
        there || self.add(self.leader, &[peer_url.to_owned()]).is_ok()
    }

    /// The member at that URL may vote, as by somebody who asks the leader.
    pub(in crate::fake) fn let_vote_at(&mut self, peer_url: &str) -> bool {
        let at = self.members.iter().find(|member| member.peer_urls.iter().any(|url| url == peer_url));
        let Some(id) = at.map(|member| member.id) else { return false };
        self.let_vote(self.leader, id).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> (Cluster, [u64; 3]) {
        let mut cluster = Cluster { id: 1, version: "3.5.24".into(), ..Cluster::default() };
        let ids = [1, 2, 3].map(|number| {
            let id = cluster.next_id();
            cluster.members.push(Member {
                id,
                name: format!("m{number}"),
                peer_urls: vec![format!("https://10.70.0.1{number}:2380")],
                client_urls: vec![format!("https://10.70.0.1{number}:2379")],
                runs: true,
                ..Member::default()
            });
            id
        });
        cluster.settle();
        (cluster, ids)
    }

    fn down(cluster: &mut Cluster, id: u64) {
        cluster.member_mut(id).unwrap().runs = false;
        cluster.settle();
    }

    #[test]
    fn a_healthy_member_of_three_may_go_and_a_second_one_too_but_not_the_last() {
        let (mut cluster, [a, b, c]) = three();
        cluster.remove(b, a).unwrap();
        assert_eq!(cluster.remove(b, a), Err(NOT_FOUND));
        cluster.remove(b, c).unwrap();
        assert!(cluster.remove(b, b).is_err(), "the last voter was removed");
        assert_eq!(cluster.effects[&format!("etcd remove-member {a:x}")], 1);
    }

    #[test]
    fn with_one_down_only_that_one_may_go() {
        let (mut cluster, [a, b, c]) = three();
        down(&mut cluster, c);
        assert_eq!(cluster.remove(b, a), Err(UNHEALTHY));
        cluster.remove(b, c).unwrap();
        assert!(cluster.has_quorum());
    }

    #[test]
    fn an_unstarted_voter_counts_against_everybody_else() {
        let (mut cluster, [a, b, _]) = three();
        let id = cluster.next_id();
        cluster.members.push(Member { id, ..Member::default() });
        // Four voters, three of them started: without one of those, two of three are.
        cluster.remove(b, a).unwrap();
        let second = cluster.members[1].id;
        assert!(matches!(cluster.remove(b, second), Err((Refusal::Refused, _))));
        cluster.remove(b, id).unwrap();
    }

    #[test]
    fn nothing_is_changed_without_a_majority_and_nobody_leads() {
        let (mut cluster, [a, b, c]) = three();
        down(&mut cluster, a);
        down(&mut cluster, b);
        assert_eq!((cluster.leader, cluster.remove(c, a)), (0, Err(TIMED_OUT)));
        assert_eq!(cluster.remove(a, b), Err(UNREACHED));
        assert!(!cluster.put("m3", "k", "v"));
    }

    #[test]
    fn the_leader_alone_hands_over_and_only_to_a_voter_that_runs() {
        let (mut cluster, [a, b, c]) = three();
        assert_eq!(cluster.leader, a);
        assert!(cluster.hand_over(b, c).is_err());
        down(&mut cluster, c);
        assert!(cluster.hand_over(a, c).is_err());
        let (term, index) = (cluster.term, cluster.index);
        cluster.hand_over(a, b).unwrap();
        assert_eq!(cluster.leader, b);
        assert!(cluster.term > term && cluster.index > index);
    }

    #[test]
    fn there_is_one_learner_at_a_time_and_it_votes_only_when_it_has_caught_up() {
        let (mut cluster, [a, _, c]) = three();
        cluster.remove(a, c).unwrap();
        let new = cluster.add(a, &["https://10.70.0.14:2380".into()]).unwrap();
        assert!(cluster.add(a, &["https://10.70.0.14:2380".into()]).is_err());
        assert!(cluster.add(a, &["https://10.70.0.15:2380".into()]).is_err());
        assert!(cluster.let_vote(a, new).is_err(), "one that was never started was let vote");
        let member = cluster.member_mut(new).unwrap();
        (member.name, member.runs, member.caught_up) = ("m4".into(), true, true);
        assert!(cluster.read_with_quorum(new).is_err(), "a learner answered for a majority");
        cluster.let_vote(a, new).unwrap();
        assert!(cluster.let_vote(a, new).is_err());
        assert_eq!(cluster.voters().count(), 3);
    }
}
