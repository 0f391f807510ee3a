//! Hosts on the screen: who is enrolled, and why one cannot be reached.

use slipway_proto::coordinator::Host;

use super::or_dash;
use super::page::Page;
use super::table::table;

/// `host list`.
pub fn list(hosts: &[Host], width: usize) -> String {
    if hosts.is_empty() {
        return "no host is enrolled; slipway token create --host NAME makes a token for one\n".to_owned();
    }
    let mut page = Page::default();
    let table =
        table(&["NAME", "STATE", "ADDRESS", "HEARTBEAT", "AGENT", "HOST ID"], hosts.iter().map(row).collect(), width);
    page.lines("", table.lines());
    for host in hosts.iter().filter(|host| !host.says.is_empty()) {
        page.line(format!("{}: {}", host.name, host.says));
    }
    let waiting: Vec<&str> =
        hosts.iter().filter(|host| host.state == "waiting").map(|host| host.name.as_str()).collect();
    if !waiting.is_empty() {
        let names = waiting.join(" ");
        page.line(format!("enrolled and in no cluster: slipway node join {names} --role worker --kubernetes VERSION"));
    }
    page.into_text()
}

fn row(host: &Host) -> Vec<String> {
    vec![
        host.name.clone(),
        or_dash(&host.state).to_owned(),
        or_dash(&host.address).to_owned(),
        super::node::heartbeat(host.heartbeat_age_ms, &host.hearing).unwrap_or_else(|| "-".to_owned()),
        or_dash(&host.agent_version).to_owned(),
        host.host_id.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_cannot_be_reached_says_why_below_the_table() {
        let host = Host {
            name: "w2".into(),
            host_id: "h2".into(),
            heartbeat_age_ms: -1,
            says: "connection refused".into(),
            ..Default::default()
        };
        let text = list(&[host], 100);
        assert!(text.ends_with("w2: connection refused\n"), "{text}");
        assert!(list(&[], 100).contains("token create"));
    }

    #[test]
    fn hosts_that_wait_come_with_the_line_that_joins_them() {
        let host = |name: &str, state: &str| Host { name: name.into(), state: state.into(), ..Default::default() };
        let text = list(&[host("w1", "in-service"), host("w2", "waiting"), host("w3", "waiting")], 100);
        assert!(text.ends_with("slipway node join w2 w3 --role worker --kubernetes VERSION\n"), "{text}");
    }
}
