//! The cluster's etcd in one line: whether it has a quorum, and what it would survive.

use slipway_errors::Code;
use slipway_proto::coordinator::{Finding, GetEtcdStatusResponse};

use super::finding;

const ABOUT: &str = "etcd";
const LOOK: &str = "slipway etcd status";

/// From what all masters said; none, where nobody knows of a member.
pub(super) fn judge(said: &GetEtcdStatusResponse) -> Option<Finding> {
    if said.told_by.is_empty() {
        // A cluster whose etcd runs elsewhere has no member here, and nobody to complain of.
        let why = (!said.notes.is_empty()).then(|| said.notes.join("; "))?;
        let says = format!("{}: {}: {why}", Code::ETCD_SILENT, said.says);
        return Some(finding(ABOUT, "bad", says, format!("{LOOK}; bring a member back, or restore from a snapshot")));
    }
    let alarms: Vec<String> = said
        .members
        .iter()
        .filter(|member| !member.alarms.is_empty())
        .map(|member| format!("{} has the alarm {}", member.name, member.alarms.join(", ")))
        .collect();
    let whole = said.members.iter().all(|member| member.healthy && !member.learner);
    let says = [vec![said.says.clone()], alarms.clone()].concat().join("; ");
    let level = if whole && alarms.is_empty() { "ok" } else { "warn" };
    Some(finding(ABOUT, level, says, if level == "ok" { String::new() } else { LOOK.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::coordinator::EtcdMemberRow;

    fn said(healthy: [bool; 3]) -> GetEtcdStatusResponse {
        let row = |(index, healthy): (usize, &bool)| EtcdMemberRow {
            name: format!("m{}", index + 1),
            healthy: *healthy,
            ..Default::default()
        };
        GetEtcdStatusResponse {
            members: healthy.iter().enumerate().map(row).collect(),
            told_by: "m1".into(),
            says: "so they stand".into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_whole_etcd_is_well_and_one_with_a_dead_member_or_an_alarm_is_worth_a_look() {
        assert_eq!(judge(&said([true; 3])).unwrap().level, "ok");
        assert_eq!(judge(&said([true, false, true])).unwrap().level, "warn");
        let mut full = said([true; 3]);
        full.members[1].alarms.push("NOSPACE".into());
        let found = judge(&full).unwrap();
        assert_eq!((found.level.as_str(), found.says.as_str()), ("warn", "so they stand; m2 has the alarm NOSPACE"));
    }

    #[test]
    fn an_etcd_without_a_quorum_is_told_with_what_each_master_says() {
        let lost = GetEtcdStatusResponse {
            says: "no member gives a list that a quorum agreed on".into(),
            notes: vec!["m2 cannot be asked: silent".into()],
            ..Default::default()
        };
        let found = judge(&lost).unwrap();
        assert_eq!(found.level, "bad");
        assert!(found.says.contains("SLIP-ETCD-002") && found.says.contains("m2 cannot be asked"), "{}", found.says);
        assert_eq!(judge(&GetEtcdStatusResponse::default()), None, "an etcd that runs elsewhere");
    }
}
