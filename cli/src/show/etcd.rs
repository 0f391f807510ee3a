//! etcd on the screen: a line for each member, then what the whole of them would survive, then what is odd.

use super::page::Page;
use super::table::table;
use super::wrap::wrap;
use crate::shapes::{EtcdMember, EtcdStatus};
use crate::units::bytes;

const HEAD: [&str; 8] = ["NODE", "MEMBER", "ID", "STATE", "VERSION", "DB", "INDEX", "PEER URL"];

/// `etcd status`.
pub fn text(status: &EtcdStatus, width: usize) -> String {
    let mut page = Page::default();
    if !status.members.is_empty() {
        page.lines("", table(&HEAD, status.members.iter().map(row).collect(), width).lines().map(str::to_owned));
    }
    page.lines("", wrap(&status.says, width));
    if let Some(host) = &status.host {
        let unit = status.run_by.as_deref() == Some("systemd-unit");
        let run_by = if unit { "systemd, as etcd.service" } else { "the kubelet, as a static pod" };
        let data = status.data_dir.as_deref().unwrap_or("-");
        page.lines("", wrap(&format!("on {host} it is run by {run_by}; its data: {data}"), width));
    }
    for note in &status.notes {
        page.lines("", wrap(&format!("note: {note}"), width));
    }
    page.into_text()
}

fn row(member: &EtcdMember) -> Vec<String> {
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let size = if member.db_size_bytes == 0 { "-".to_owned() } else { bytes(member.db_size_bytes) };
    vec![
        dash(&member.node),
        dash(&member.name),
        member.id.clone(),
        state(member),
        dash(&member.version),
        size,
        member.raft_index.to_string(),
        member.peer_urls.join(" "),
    ]
}

fn state(member: &EtcdMember) -> String {
    let mut words = vec![match (member.healthy, member.leader) {
        (true, true) => "leader",
        (true, false) => "healthy",
        (false, _) => "down",
    }];
    words.extend(member.learner.then_some("learner"));
    words.extend(member.alarms.iter().map(String::as_str));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_leader_the_dead_and_the_odd_are_told_apart() {
        let member = |name: &str, healthy, leader| EtcdMember {
            id: "8e9e".into(),
            name: Some(name.into()),
            node: Some(name.into()),
            peer_urls: vec!["https://10.0.0.1:2380".into()],
            client_urls: vec![],
            learner: false,
            healthy,
            leader,
            version: Some("3.5.24".into()),
            db_size_bytes: 0,
            raft_index: 7,
            alarms: vec![],
            error: None,
        };
        let status = EtcdStatus {
            members: vec![member("m1", true, true), member("m2", false, false)],
            alarms: vec![],
            quorum: false,
            survives: None,
            told_by: None,
            says: "1 of 2 members are healthy: too few".into(),
            notes: vec!["m2 cannot be asked: connection refused".into()],
            host: None,
            run_by: None,
            data_dir: None,
            error: None,
            code: None,
        };
        let text = text(&status, 120);
        assert!(text.contains("m1    m1      8e9e  leader  3.5.24"), "{text}");
        assert!(text.contains("down"), "{text}");
        assert!(text.ends_with("too few\nnote: m2 cannot be asked: connection refused\n"), "{text}");
    }
}
