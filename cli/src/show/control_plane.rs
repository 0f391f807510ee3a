//! A master's part on the screen, for somebody who has to decide at once: what it is, then what would be without it.

use jiff::tz::TimeZone;
use slipway_proto::coordinator::{ControlPlane, EtcdMemberRow, KeptSnapshot};

use super::or_dash;
use super::page::Page;
use super::wrap::wrap;
use crate::units;

/// Where values begin.
const VALUES: usize = 18;
/// The least that a value is given, however narrow the screen.
const NARROW: usize = 30;

/// Adds it to the page of a node.
pub(super) fn section(text: &mut Page, told: &ControlPlane, width: usize, zone: &TimeZone) {
    text.line("  control plane");
    let mut field = |name: &str, values: Vec<String>| {
        let lines = values.iter().flat_map(|value| wrap(value, width.saturating_sub(VALUES).max(NARROW)));
        for (at, line) in lines.enumerate() {
            let name = if at == 0 { name } else { "" };
            text.line(format!("    {name:<12}  {line}"));
        }
    };
    field("etcd", etcd(told));
    field("without it", if told.without_it.is_empty() { vec![] } else { vec![told.without_it.clone()] });
    field("removal", vec![removal(told)]);
    field("address", vec![address(told)]);
    field("only way for", told.dependents.clone());
    field("snapshot", vec![told.last_snapshot.as_ref().map_or_else(|| "-".to_owned(), |kept| snapshot(kept, zone))]);
    field(
        "first to end",
        told.first_certificate
            .iter()
            .map(|end| {
                let at = units::moment(end.not_after_ms, zone).unwrap_or_else(|| "-".to_owned());
                format!("{at} {}", end.path)
            })
            .collect(),
    );
}

fn etcd(told: &ControlPlane) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(member) = &told.member {
        lines.push(self::member(member));
        lines.push(format!("peers {}", member.peer_urls.join(" ")));
        lines.push(format!("clients {}", or_dash(&member.client_urls.join(" "))));
    } else if !told.etcd_stands.is_empty() {
        lines.push(format!("-; of the whole: {}", told.etcd_stands));
    }
    if !told.etcd_says.is_empty() {
        let doubt = if told.member.is_some() { "not certain: " } else { "" };
        lines.push(format!("{doubt}{}", told.etcd_says));
    }
    if lines.is_empty() {
        lines.push("-".to_owned());
    }
    lines
}

fn member(member: &EtcdMemberRow) -> String {
    let state = match (member.healthy, member.leader) {
        (true, true) => "healthy, leads",
        (true, false) => "healthy",
        (false, _) => "down",
    };
    let mut words = vec![format!("{} ({}): {state}", or_dash(&member.name), member.id)];
    words.extend(member.learner.then(|| "does not vote yet".to_owned()));
    words.extend((!member.error.is_empty()).then(|| member.error.clone()));
    words.extend((!member.version.is_empty()).then(|| member.version.clone()));
    words.extend((member.db_size_bytes > 0).then(|| units::bytes(member.db_size_bytes)));
    words.extend((member.raft_index > 0).then(|| format!("index {}", member.raft_index)));
    words.push(if member.alarms.is_empty() {
        "no alarm".to_owned()
    } else {
        format!("ALARM {}", member.alarms.join(" "))
    });
    words.join(", ")
}

/// The sentence of the line above is not said again.
fn removal(told: &ControlPlane) -> String {
    let says = told.removal_says.strip_prefix(&told.without_it).unwrap_or(&told.removal_says);
    let says = says.trim_start_matches([';', '.', ' ']);
    let word = match told.removal.as_str() {
        "allowed" => "costs etcd nothing that counts",
        "needs-word" => "needs your word: --accept-less-tolerance",
        "needs-flag" => "needs a flag: --leave-one-etcd-member",
        "refused" => "would be refused",
        _ => "not known",
    };
    if says.is_empty() { word.to_owned() } else { format!("{word}; {says}") }
}

fn address(told: &ControlPlane) -> String {
    let keepalived =
        format!("keepalived here is {}", if told.keepalived.is_empty() { "not known" } else { &told.keepalived });
    match (told.virtual_address.as_str(), told.address_held_by.is_empty()) {
        ("", _) => format!("none that moves is known; {keepalived}"),
        (address, true) => format!("{address}, on no host that was heard; {keepalived}"),
        (address, false) => format!("{address}, on {}; {keepalived}", told.address_held_by.join(" and ")),
    }
}

fn snapshot(kept: &KeptSnapshot, zone: &TimeZone) -> String {
    let at = units::moment(kept.taken_ms, zone).unwrap_or_else(|| "-".to_owned());
    format!("{at} of {}, {}, etcd {}", kept.host, units::bytes(kept.size_bytes), or_dash(&kept.etcd_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(told: &ControlPlane) -> String {
        let mut page = Page::default();
        section(&mut page, told, 100, &TimeZone::UTC);
        page.into_text()
    }

    #[test]
    fn what_is_not_known_is_never_shown_as_well() {
        let text = shown(&ControlPlane::default());
        assert!(text.contains("etcd          -\n"), "{text}");
        assert!(text.contains("removal       not known\n"), "{text}");
        assert!(text.contains("none that moves is known; keepalived here is not known"), "{text}");
    }

    #[test]
    fn a_sentence_is_said_once() {
        let told = ControlPlane {
            without_it: "etcd has 2 members; without m1 it has 1".into(),
            removal: "needs-flag".into(),
            removal_says: "etcd has 2 members; without m1 it has 1; if that is lost, all is lost".into(),
            ..Default::default()
        };
        let text = shown(&told);
        assert_eq!(text.matches("etcd has 2 members").count(), 1, "{text}");
        assert!(text.contains("--leave-one-etcd-member; if that is lost, all is lost"), "{text}");
    }

    #[test]
    fn a_member_that_is_down_says_why_and_one_in_doubt_says_so() {
        let member = EtcdMemberRow {
            id: "8e9e".into(),
            name: "m2".into(),
            error: "connection refused".into(),
            alarms: vec!["NOSPACE".into()],
            ..Default::default()
        };
        let told =
            ControlPlane { member: Some(member), etcd_says: "only its agent says so".into(), ..Default::default() };
        let text = shown(&told);
        assert!(text.contains("m2 (8e9e): down, connection refused, ALARM NOSPACE"), "{text}");
        assert!(text.contains("not certain: only its agent says so"), "{text}");
    }
}
