//! The coordinators and what they share: who could take over, and which members of the store's etcd answer. A majority that still answers hides that
//! the next failure ends everything.

use slipway_proto::coordinator::Finding;
use slipway_store::{Attendant, MemberState, StoreMember};

use super::{finding, note, ok, warn};

const LOOK: &str = "systemctl status slipway-coordinator on that master";
const LOOK_AT_STORE: &str = "systemctl status slipway-etcd on that master; journalctl -u slipway-etcd -n 50";

/// From who is there, for a leader of that holder.
pub(super) fn judge(holder: &str, there: &[Attendant], members: &[StoreMember]) -> Vec<Finding> {
    if members.is_empty() {
        return vec![note("coordinator", "is the only one: while its host is down no run goes on".to_owned())];
    }
    let others = there.iter().filter(|one| !one.holds(holder));
    let mut findings: Vec<Finding> =
        others.map(|one| ok(&format!("coordinator {}", one.address), "stands by".to_owned())).collect();
    if findings.is_empty() {
        let says = "no other coordinator stands by: nobody takes over when this one's host fails".to_owned();
        findings.push(warn("coordinator", says, LOOK.replace("that master", "the other masters")));
    } else if there.len() < members.len() {
        let says = format!("{} are there, and the store has {} members", there.len(), members.len());
        findings.push(warn("coordinator", says, format!("{LOOK} that has none")));
    }
    findings.extend(members.iter().map(member));
    findings.extend(quorum(members));
    findings
}

fn member(member: &StoreMember) -> Finding {
    let about = format!("store {}", member.address.trim_start_matches("https://"));
    match &member.says {
        Ok(MemberState { errors, version, .. }) if !errors.is_empty() => {
            let says = format!("etcd {version} complains: {}", errors.join("; "));
            finding(&about, "warn", says, LOOK_AT_STORE.to_owned())
        }
        Ok(MemberState { leads, version, bytes, .. }) => {
            let leads = if *leads { " and leads" } else { "" };
            ok(&about, format!("etcd {version} answers{leads}; {} KiB", bytes / 1024))
        }
        Err(why) => warn(&about, format!("does not answer: {why}"), LOOK_AT_STORE.to_owned()),
    }
}

/// What the next failure would do.
fn quorum(members: &[StoreMember]) -> Option<Finding> {
    let well = members.iter().filter(|member| member.says.is_ok()).count();
    let spare = well.checked_sub(members.len() / 2 + 1)?;
    (spare == 0 && members.len() > 1).then(|| {
        let says = format!("{well} of {} members answer: one less, and no coordinator leads", members.len());
        warn("store", says, LOOK_AT_STORE.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(count: usize) -> Vec<Attendant> {
        let one = |index| Attendant {
            coordinator: format!("c{index}"),
            address: format!("10.0.0.{index}:7400"),
            machine_id: String::new(),
        };
        (1..=count).map(one).collect()
    }

    fn members(well: [bool; 3]) -> Vec<StoreMember> {
        let state = |leads| MemberState { leads, version: "3.5.26".into(), bytes: 2048, errors: Vec::new() };
        let one = |(index, well): (usize, &bool)| StoreMember {
            address: format!("https://10.0.0.{}:7410", index + 1),
            says: if *well { Ok(state(index == 0)) } else { Err("no answer within 2 s".into()) },
        };
        well.iter().enumerate().map(one).collect()
    }

    fn judged(there: &[Attendant], members: &[StoreMember]) -> Vec<String> {
        judge("c1/x", there, members)
            .into_iter()
            .map(|found| format!("{} {}: {}", found.level, found.about, found.says))
            .collect()
    }

    #[test]
    fn those_who_stand_by_and_the_stores_members_are_listed() {
        let found = judged(&there(3), &members([true; 3]));
        assert_eq!(found[..2], ["ok coordinator 10.0.0.2:7400: stands by", "ok coordinator 10.0.0.3:7400: stands by"]);
        assert_eq!(found[2], "ok store 10.0.0.1:7410: etcd 3.5.26 answers and leads; 2 KiB");
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn what_the_next_failure_would_end_is_said_before_it_comes() {
        let found = judged(&there(1), &members([true, true, false]));
        assert!(found[0].starts_with("warn coordinator: no other coordinator stands by"), "{found:?}");
        assert_eq!(found[3], "warn store 10.0.0.3:7410: does not answer: no answer within 2 s");
        assert_eq!(found[4], "warn store: 2 of 3 members answer: one less, and no coordinator leads");
        assert!(judged(&there(2), &members([true; 3]))[1].starts_with("warn coordinator: 2 are there"));
        assert_eq!(judged(&there(1), &[]).len(), 1, "a single coordinator has no members to complain of");
    }
}
