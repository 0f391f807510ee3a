//! Would etcd keep its quorum, and how much would it still survive? Learners and members without a name count as voters that are down: the
//! cluster may be asked to count them as voters at any moment, and nobody can promise that they will answer.

use serde::{Deserialize, Serialize};

use super::member::{Alarm, Member, MemberId};
use super::words;

/// What an operator has to give before the last but one healthy member leaves.
pub const SINGLE_MEMBER_FLAG: &str = "--leave-one-etcd-member";

/// What is about to be done to the membership, or to one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The member leaves for good.
    Remove(MemberId),
    /// A new member comes, as a learner.
    AddLearner,
    /// A learner begins to vote.
    Promote(MemberId),
    /// The member stays in the list and does not run for a while.
    Stop(MemberId),
}

/// How etcd stands, before a change or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Members that have a vote, or may come to have one.
    pub voters: usize,
    /// Those of them that can be counted on.
    pub healthy: usize,
    /// How many of the voters have to agree.
    pub quorum: usize,
}

impl Standing {
    pub(super) fn new(voters: usize, healthy: usize) -> Self {
        Self { voters, healthy, quorum: quorum(voters) }
    }

    /// How many more failures it survives; `None` where it has no quorum to lose.
    pub fn tolerance(&self) -> Option<usize> {
        if self.voters == 0 { None } else { self.healthy.checked_sub(self.quorum) }
    }

    /// True where enough can be counted on.
    pub fn has_quorum(&self) -> bool {
        self.tolerance().is_some()
    }
}

/// More than half.
pub const fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether a change may begin. Each text is a whole answer, for whoever is woken by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It costs nothing that an operator would have to know of.
    Allowed,
    /// It may begin once an operator has said yes to this.
    NeedsWord {
        /// What would be true afterwards.
        text: String,
    },
    /// It may begin if [`SINGLE_MEMBER_FLAG`] was given.
    NeedsFlag {
        /// What would be true afterwards.
        text: String,
    },
    /// It may not begin.
    Refused {
        /// Why, and the way out.
        text: String,
    },
}

impl Verdict {
    /// From free to forbidden, for comparisons.
    pub fn severity(&self) -> u8 {
        match self {
            Self::Allowed => 0,
            Self::NeedsWord { .. } => 1,
            Self::NeedsFlag { .. } => 2,
            Self::Refused { .. } => 3,
        }
    }

    /// The text, where there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Allowed => None,
            Self::NeedsWord { text } | Self::NeedsFlag { text } | Self::Refused { text } => Some(text),
        }
    }
}

/// What a change would make of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Projection {
    /// How it stands now.
    pub before: Standing,
    /// How it would stand.
    pub after: Standing,
    /// One sentence with both, for plans and screens.
    pub sentence: String,
    /// Whether the change may begin.
    pub verdict: Verdict,
}

/// Projects a change onto the members as they were just seen.
pub fn project(members: &[Member], change: &Change) -> Projection {
    let before = standing(members);
    let after = after(members, before, change);
    let case = Case { members, change, before, after };
    Projection { before, after, sentence: words::sentence(&case), verdict: judge(&case) }
}

/// All that a verdict and its words are made of.
pub(super) struct Case<'a> {
    pub(super) members: &'a [Member],
    pub(super) change: &'a Change,
    pub(super) before: Standing,
    pub(super) after: Standing,
}

impl Case<'_> {
    /// The member that the change is about, if it is in the list.
    pub(super) fn target(&self) -> Option<&Member> {
        let id = match self.change {
            Change::Remove(id) | Change::Promote(id) | Change::Stop(id) => *id,
            Change::AddLearner => return None,
        };
        self.members.iter().find(|member| member.id == id)
    }

    /// Members other than the target on which nobody can count.
    pub(super) fn others_down(&self) -> Vec<&Member> {
        let target = self.target().map(|member| member.id);
        self.members.iter().filter(|member| Some(member.id) != target && !member.counts()).collect()
    }
}

fn standing(members: &[Member]) -> Standing {
    Standing::new(members.len(), members.iter().filter(|member| member.counts()).count())
}

fn after(members: &[Member], before: Standing, change: &Change) -> Standing {
    let with = |id: MemberId, edit: fn(&mut Member)| {
        let mut members = members.to_vec();
        members.iter_mut().filter(|member| member.id == id).for_each(edit);
        standing(&members)
    };
    match change {
        Change::Remove(id) => {
            let left: Vec<Member> = members.iter().filter(|member| member.id != *id).cloned().collect();
            standing(&left)
        }
        // What votes stays the same; that it may never start is weighed when it is to be promoted, or taken away again.
        Change::AddLearner => before,
        Change::Promote(id) => with(*id, |member| member.learner = false),
        Change::Stop(id) => with(*id, |member| member.healthy = false),
    }
}

fn judge(case: &Case<'_>) -> Verdict {
    let refused = |text: String| Verdict::Refused { text };
    if !matches!(case.change, Change::AddLearner) && case.target().is_none() {
        return refused(words::unknown(case));
    }
    if let Some((member, alarm)) = grave_alarm(case.members) {
        return refused(words::alarm(member, alarm));
    }
    match case.change {
        Change::Remove(_) => judge_removal(case),
        Change::AddLearner => judge_addition(case),
        Change::Promote(_) => judge_promotion(case),
        Change::Stop(_) => judge_stop(case),
    }
}

fn grave_alarm(members: &[Member]) -> Option<(&Member, &Alarm)> {
    let all = members.iter().flat_map(|member| member.alarms.iter().map(move |alarm| (member, alarm)));
    all.into_iter().find(|(_, alarm)| matches!(alarm, Alarm::NoSpace | Alarm::Corrupt))
}

/// Whether etcd itself can agree on anything now: learners have no part in that.
fn can_agree(members: &[Member]) -> bool {
    let voters = members.iter().filter(|member| !member.learner).count();
    Standing::new(voters, members.iter().filter(|member| member.counts()).count()).has_quorum()
}

fn judge_removal(case: &Case<'_>) -> Verdict {
    let text = if case.after.voters == 0 {
        words::last_member(case)
    } else if !can_agree(case.members) {
        words::no_quorum_now(case)
    } else if !case.after.has_quorum() {
        words::no_quorum_after(case)
    } else {
        return judge_cost(case);
    };
    Verdict::Refused { text }
}

/// Quorum is kept: what does the removal cost beyond that? The removal of a member that is down costs nothing.
fn judge_cost(case: &Case<'_>) -> Verdict {
    if !case.target().is_some_and(Member::counts) {
        return Verdict::Allowed;
    }
    match (case.after.healthy, case.after.tolerance()) {
        (1, _) => Verdict::NeedsFlag { text: words::single(case) },
        (2, _) | (_, Some(0)) => Verdict::NeedsWord { text: words::sentence(case) },
        _ => Verdict::Allowed,
    }
}

/// etcd adds nothing while a voter is down, and one learner at a time.
fn judge_addition(case: &Case<'_>) -> Verdict {
    if case.members.is_empty() || !case.others_down().is_empty() {
        return Verdict::Refused { text: words::addition_blocked(case) };
    }
    Verdict::Allowed
}

fn judge_promotion(case: &Case<'_>) -> Verdict {
    let Some(target) = case.target() else { return Verdict::Refused { text: words::unknown(case) } };
    let ready = target.learner && target.healthy && !target.is_unnamed();
    if !ready || !can_agree(case.members) || !case.after.has_quorum() {
        return Verdict::Refused { text: words::promotion_blocked(case, target) };
    }
    Verdict::Allowed
}

fn judge_stop(case: &Case<'_>) -> Verdict {
    match case.after.has_quorum() {
        true => Verdict::Allowed,
        // Its API goes with it, whatever is done: the only thing to ask is whether that was announced.
        false if case.before == Standing::new(1, 1) => Verdict::NeedsWord { text: words::outage(case) },
        false => Verdict::Refused { text: words::stop_blocked(case) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::member::tests::{dead, never_started, voter};
    use super::*;

    fn remove(members: &[Member], n: u64) -> Projection {
        project(members, &Change::Remove(MemberId(0xa0 + n)))
    }

    fn refusal(projection: &Projection) -> &str {
        match &projection.verdict {
            Verdict::Refused { text } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn three_to_two_asks_and_two_to_one_needs_its_flag() {
        let three = remove(&[voter(1), voter(2), voter(3)], 2);
        let Verdict::NeedsWord { text } = &three.verdict else { panic!("{three:?}") };
        assert_eq!(
            text,
            "etcd has 3 members, all healthy, and survives 1 more failure; without m2 (a2) it has 2 members, all healthy, needs 2, and \
             survives no failure"
        );
        let two = remove(&[voter(1), voter(2)], 2);
        let Verdict::NeedsFlag { text } = &two.verdict else { panic!("{two:?}") };
        assert!(text.contains(SINGLE_MEMBER_FLAG), "{text}");
        let five = remove(&[1, 2, 3, 4, 5].map(voter), 2);
        assert_eq!((five.after.tolerance(), five.verdict), (Some(1), Verdict::Allowed));
    }

    #[test]
    fn a_second_member_down_refuses_the_healthy_and_frees_the_dead() {
        let members = [voter(1), voter(2), dead(3)];
        let healthy = remove(&members, 2);
        assert_eq!(
            refusal(&healthy),
            "etcd has 3 members, 2 healthy (m3 (a3) is down), and survives no failure; without m2 (a2) it has 2 members, 1 healthy, \
             needs 2, and stops, and every API server with it. Bring m3 (a3) back, or remove it first: that costs nothing"
        );
        let gone = remove(&members, 3);
        assert_eq!(gone.verdict, Verdict::Allowed);
        assert_eq!((gone.before.tolerance(), gone.after.tolerance()), (Some(0), Some(0)));
    }

    #[test]
    fn the_last_member_is_never_removed() {
        for member in [voter(1), dead(1), never_started(1)] {
            assert!(refusal(&remove(&[member], 1)).contains("last member"));
        }
    }

    #[test]
    fn without_a_quorum_nothing_can_be_removed_not_even_the_dead() {
        let members = [voter(1), dead(2), dead(3)];
        for n in 1..=3 {
            assert!(refusal(&remove(&members, n)).contains("has lost its quorum"), "m{n}");
        }
    }

    #[test]
    fn a_learner_counts_against_us_but_may_always_leave_again() {
        let learner = Member { learner: true, ..voter(4) };
        let members = [voter(1), voter(2), voter(3), learner.clone()];
        let healthy = remove(&members, 1);
        assert_eq!((healthy.before.voters, healthy.before.healthy), (4, 3));
        assert_eq!(healthy.verdict.severity(), 1);
        assert_eq!(remove(&members, 4).verdict, Verdict::Allowed);
        assert_eq!(remove(&[voter(1), learner], 4).verdict, Verdict::Allowed);
    }

    #[test]
    fn a_member_that_never_started_counts_as_a_voter_that_is_down() {
        let members = [voter(1), voter(2), never_started(3)];
        assert!(refusal(&remove(&members, 1)).contains("the member without a name at https://10.0.0.3:2380 (a3)"));
        assert_eq!(remove(&members, 3).verdict, Verdict::Allowed);
        assert!(refusal(&remove(&[voter(1), never_started(2)], 2)).contains("has lost its quorum"));
    }

    #[test]
    fn an_alarm_stops_every_change() {
        for alarm in [Alarm::NoSpace, Alarm::Corrupt] {
            let members = [voter(1), voter(2), Member { alarms: vec![alarm.clone()], ..voter(3) }];
            for change in [Change::Remove(MemberId(0xa1)), Change::AddLearner, Change::Stop(MemberId(0xa1))] {
                let projection = project(&members, &change);
                assert!(refusal(&projection).contains(&alarm.to_string()), "{change:?}");
            }
        }
        let odd = [voter(1), voter(2), Member { alarms: vec![Alarm::Other("ODD".into())], ..dead(3) }];
        assert_eq!(remove(&odd, 3).verdict, Verdict::Allowed);
    }

    #[test]
    fn an_unknown_id_is_no_removal() {
        assert!(refusal(&remove(&[voter(1), voter(2)], 9)).contains("no member a9"));
    }

    #[test]
    fn a_learner_is_added_only_beside_members_that_all_answer() {
        let add = |members: &[Member]| project(members, &Change::AddLearner).verdict;
        assert_eq!(add(&[voter(1)]), Verdict::Allowed);
        assert_eq!(add(&[voter(1), voter(2), voter(3)]), Verdict::Allowed);
        for blocking in [dead(3), never_started(3), Member { learner: true, ..voter(3) }] {
            assert_eq!(add(&[voter(1), voter(2), blocking]).severity(), 3);
        }
        assert_eq!(add(&[]).severity(), 3);
    }

    #[test]
    fn a_learner_votes_only_when_it_answers() {
        let promote = |learner: Member| project(&[voter(1), learner], &Change::Promote(MemberId(0xa2))).verdict;
        assert_eq!(promote(Member { learner: true, ..voter(2) }), Verdict::Allowed);
        assert_eq!(promote(Member { learner: true, ..dead(2) }).severity(), 3);
        assert_eq!(promote(Member { learner: true, ..never_started(2) }).severity(), 3);
        assert_eq!(promote(voter(2)).severity(), 3, "it votes already");
    }

    #[test]
    fn a_member_is_stopped_only_while_the_others_are_enough() {
        let stop = |members: &[Member]| project(members, &Change::Stop(MemberId(0xa1))).verdict;
        assert_eq!(stop(&[voter(1), voter(2), voter(3)]), Verdict::Allowed);
        assert_eq!(stop(&[voter(1), voter(2), dead(3)]).severity(), 3);
        assert_eq!(stop(&[voter(1), voter(2)]).severity(), 3);
        assert_eq!(stop(&[voter(1)]).severity(), 1, "one master: its outage has to be announced");
        assert_eq!(stop(&[dead(1), voter(2), voter(3)]), Verdict::Allowed, "it is down already");
    }
}
