//! What etcd says of itself: its members as its own program lists them on a master, and its own log, which is the only witness of how
//! often a member was removed.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::command::Output;
use crate::etcd_unit;
use crate::host::Host;
use crate::lab::Lab;
use crate::shape::Etcd;

/// kubeadm's own.
const PKI: &str = "/etc/kubernetes/pki/etcd";
const DATA: &str = "/var/lib/etcd";
/// Each file is the log of one process.
const LOGS: &str = r"
for file in /var/log/pods/kube-system_etcd-*/etcd/*.log; do
  [ -f $file ] || continue
  grep -s 'removed member' $file | sed s,^,$file:\ , || true
done
";
/// Each process by its number.
const JOURNAL: &str = r"journalctl --no-pager --unit etcd --output short | grep 'removed member' || true";

/// A member, as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EtcdMember {
    /// As people write it.
    pub(crate) id: String,
    /// Empty: it never started.
    pub(crate) name: String,
    pub(crate) peer_urls: Vec<String>,
    pub(crate) client_urls: Vec<String>,
    pub(crate) learner: bool,
    /// It answers.
    pub(crate) healthy: bool,
    /// It leads.
    pub(crate) leads: bool,
}

/// Runs etcdctl on a host with the certificates that lie there, whoever runs etcd.
pub(crate) fn etcdctl(lab: &Lab, host: &Host, words: &[&str]) -> Result<Output> {
    let pki = match lab.shape().etcd {
        Etcd::Stacked => PKI,
        Etcd::External => etcd_unit::PKI,
    };
    let files = ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"].map(|file| format!("{pki}/{file}"));
    let [authority, certificate, key] = &files;
    let mut line = vec!["etcdctl", "--cacert", authority, "--cert", certificate, "--key", key];
    if !words.contains(&"--endpoints") {
        line.extend(["--endpoints", "https://127.0.0.1:2379"]);
    }
    line.extend(["--command-timeout", "5s"]);
    host.run(&[&line, words].concat())
}

/// All members, asked on one host. Of those that do not answer only what the others know is told.
pub(crate) fn members(lab: &Lab, asked: &Host) -> Result<Vec<EtcdMember>> {
    let listed = etcdctl(lab, asked, &["member", "list", "--write-out", "json"])?;
    ensure!(listed.is_ok(), "{}: etcdctl member list: {listed}", asked.name());
    // It fails if one member does not answer, and tells of the others all the same.
    let status = etcdctl(lab, asked, &["endpoint", "status", "--cluster", "--write-out", "json"])?;
    parse(&listed.stdout, &status.stdout)
}

/// The members as the first master sees them that is one.
pub(crate) fn members_now(lab: &Lab) -> Result<Vec<EtcdMember>> {
    members(lab, lab.master()?)
}

/// The member of a name.
pub(crate) fn member_of(lab: &Lab, name: &str) -> Result<EtcdMember> {
    let all = members_now(lab)?;
    all.iter().find(|member| member.name == name).cloned().with_context(|| format!("no member is {name}: {all:?}"))
}

/// How often the process of a member on this host has carried out the removal of an id. One that was started again may read of it once
/// more in its own log: each process is asked by itself, and the highest count taken.
pub(crate) fn removals(lab: &Lab, witness: &Host, id: &str) -> Result<usize> {
    let text = match lab.shape().etcd {
        Etcd::Stacked => witness.script("etcd-logs", LOGS, &[])?,
        Etcd::External => witness.script("etcd-journal", JOURNAL, &[])?,
    };
    let process = match lab.shape().etcd {
        Etcd::Stacked => 0,
        // `Nov 21 14:00:00 m2 etcd[217]: ...`
        Etcd::External => 4,
    };
    Ok(most_for_one_process(&text, id, process))
}

/// What lies in the folder of a host's etcd.
pub(crate) fn etcd_data(host: &Host) -> Result<Vec<String>> {
    let listed = host.run_ok(&["ls", "-A", DATA])?;
    Ok(listed.lines().map(|name| format!("{DATA}/{name}")).collect())
}

fn most_for_one_process(text: &str, id: &str, process: usize) -> usize {
    let named = format!(r#""removed-remote-peer-id":"{id}""#);
    let of = text.lines().filter(|line| line.contains(&named)).filter_map(|line| line.split_whitespace().nth(process));
    let count = of.fold(BTreeMap::<&str, usize>::new(), |mut count, process| {
        *count.entry(process).or_default() += 1;
        count
    });
    count.into_values().max().unwrap_or_default()
}

fn parse(listed: &str, status: &str) -> Result<Vec<EtcdMember>> {
    let listed: Value = serde_json::from_str(listed).context("etcdctl speaks JSON")?;
    let status: Value = serde_json::from_str(status.trim()).unwrap_or_default();
    let answers: Vec<&Value> = status.as_array().into_iter().flatten().map(|answer| &answer["Status"]).collect();
    let members = listed["members"].as_array().context("a list of members")?;
    members.iter().map(|member| read(member, &answers)).collect()
}

fn read(member: &Value, answers: &[&Value]) -> Result<EtcdMember> {
    let id = member["ID"].as_u64().with_context(|| format!("a member has no id: {member}"))?;
    let answer = answers.iter().find(|answer| answer["header"]["member_id"] == id);
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(EtcdMember {
        id: format!("{id:x}"),
        name: member["name"].as_str().unwrap_or_default().to_owned(),
        peer_urls: texts(&member["peerURLs"]),
        client_urls: texts(&member["clientURLs"]),
        learner: member["isLearner"] == true,
        healthy: answer.is_some_and(|answer| answer["errors"].as_array().is_none_or(Vec::is_empty)),
        leads: answer.is_some_and(|answer| answer["leader"] == id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = r#"{"header":{"member_id":10},"members":[
        {"ID":10,"name":"m1","peerURLs":["https://10.70.0.11:2380"],"clientURLs":["https://10.70.0.11:2379"]},
        {"ID":18446744073709551615,"name":"","peerURLs":["https://10.70.0.99:2380"],"isLearner":true}]}"#;
    const STATUS: &str = r#"[{"Endpoint":"https://10.70.0.11:2379","Status":{"header":{"member_id":10},"leader":10}}]"#;

    #[test]
    fn one_who_answers_is_healthy_and_one_who_leads_knows_it() {
        let members = parse(LISTED, STATUS).unwrap();
        assert_eq!((members[0].id.as_str(), members[0].healthy, members[0].leads), ("a", true, true));
        assert_eq!((members[1].id.as_str(), members[1].name.as_str()), ("ffffffffffffffff", ""));
        assert!(members[1].learner && !members[1].healthy && !members[1].leads);
    }

    #[test]
    fn without_any_answer_nobody_is_healthy() {
        assert!(parse(LISTED, "").unwrap().iter().all(|member| !member.healthy));
    }

    #[test]
    fn a_removal_is_counted_by_process() {
        let line = |file: &str, id: &str| {
            format!("{file} F {{\"msg\":\"removed member\",\"removed-remote-peer-id\":\"{id}\"}}\n")
        };
        let text = [line("0.log:", "a"), line("1.log:", "a"), line("1.log:", "b"), line("1.log:", "b")].concat();
        assert_eq!(most_for_one_process(&text, "a", 0), 1);
        assert_eq!(most_for_one_process(&text, "b", 0), 2);
        assert_eq!(most_for_one_process(&text, "c", 0), 0);
    }
}
