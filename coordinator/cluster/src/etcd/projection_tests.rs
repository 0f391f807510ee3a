//! What must hold of every projection, whatever the members are like: the rules of quorum as properties.

use proptest::prelude::*;

use super::member::tests::{dead, never_started, voter};
use super::{Change, Member, MemberId, Verdict, project, quorum};

fn any_member(n: u64, kind: u8) -> Member {
    match kind {
        0..=3 => voter(n),
        4 => dead(n),
        5 => never_started(n),
        6 => Member { learner: true, ..voter(n) },
        7 => Member { learner: true, ..dead(n) },
        _ => Member { learner: true, ..never_started(n) },
    }
}

fn any_members() -> impl Strategy<Value = Vec<Member>> {
    proptest::collection::vec(0_u8..9, 1..8)
        .prop_map(|kinds| kinds.into_iter().zip(1..).map(|(kind, n)| any_member(n, kind)).collect())
}

fn any_change(members: &[Member], which: usize, kind: u8) -> Change {
    let id = members[which % members.len()].id;
    match kind % 4 {
        0 => Change::Remove(id),
        1 => Change::Stop(id),
        2 => Change::Promote(id),
        _ => Change::AddLearner,
    }
}

fn target(members: &[Member], id: MemberId) -> &Member {
    members.iter().find(|member| member.id == id).unwrap()
}

proptest! {
    #[test]
    fn nothing_may_begin_that_ends_without_a_quorum(members in any_members(), which in 0_usize..8, kind in 0_u8..3) {
        let change = any_change(&members, which, kind);
        let projection = project(&members, &change);
        let announced_outage = matches!(change, Change::Stop(_)) && members.len() == 1;
        if projection.after.healthy < quorum(projection.after.voters) && !announced_outage {
            prop_assert_eq!(projection.verdict.severity(), 3, "{:?}", projection);
        }
        if announced_outage {
            prop_assert_ne!(&projection.verdict, &Verdict::Allowed);
        }
    }

    #[test]
    fn removing_what_is_down_lowers_no_tolerance_and_asks_nothing(members in any_members(), which in 0_usize..8) {
        let change = any_change(&members, which, 0);
        let Change::Remove(id) = change else { unreachable!() };
        prop_assume!(!target(&members, id).counts());
        let projection = project(&members, &change);
        prop_assert!(projection.after.voters == 0 || projection.after.tolerance() >= projection.before.tolerance());
        prop_assert!(matches!(projection.verdict, Verdict::Allowed | Verdict::Refused { .. }), "{:?}", projection);
    }

    #[test]
    fn a_healthy_member_leaves_two_or_fewer_only_with_a_word(members in any_members(), which in 0_usize..8) {
        let change = any_change(&members, which, 0);
        let Change::Remove(id) = change else { unreachable!() };
        prop_assume!(target(&members, id).counts());
        let projection = project(&members, &change);
        prop_assert_eq!(projection.after.healthy + 1, projection.before.healthy);
        if projection.after.healthy <= 2 || projection.after.tolerance() == Some(0) {
            prop_assert!(projection.verdict.severity() >= 1, "{:?}", projection);
        }
        if projection.after.healthy <= 1 {
            prop_assert!(projection.verdict.severity() >= 2, "{:?}", projection);
        }
    }

    #[test]
    fn the_last_member_stays(kind in 0_u8..9) {
        let members = [any_member(1, kind)];
        prop_assert_eq!(project(&members, &Change::Remove(members[0].id)).verdict.severity(), 3);
    }

    #[test]
    fn another_member_that_gets_well_never_makes_it_harder(
        members in any_members(), which in 0_usize..8, well in 0_usize..8, kind in 0_u8..4,
    ) {
        let change = any_change(&members, which, kind);
        let (target, well) = (which % members.len(), well % members.len());
        prop_assume!(well != target || change == Change::AddLearner);
        let mut better = members.clone();
        better[well] = voter(u64::try_from(well).unwrap() + 1);
        let (before, after) = (project(&members, &change).verdict, project(&better, &change).verdict);
        prop_assert!(after.severity() <= before.severity(), "{:?} became {:?}", before, after);
    }

    #[test]
    fn whoever_is_refused_or_asked_reads_why(members in any_members(), which in 0_usize..8, kind in 0_u8..4) {
        let projection = project(&members, &any_change(&members, which, kind));
        prop_assert!(!projection.sentence.is_empty());
        prop_assert!(projection.verdict == Verdict::Allowed || projection.verdict.text().is_some_and(|text| text.len() > 40));
    }
}
