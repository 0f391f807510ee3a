//! Whether a member and a node are the same machine. On a host with two addresses the wrong member has been removed before
//! (kubernetes/kubeadm#3010), so four witnesses have to agree: the id that the host's agent knows, the name, the host in the peer URL, and
//! the addresses. Where they do not, nobody guesses: the refusal carries a table.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use slipway_types::NodeName;

use super::member::{Member, MemberId};
use crate::Node;

/// What the agent of a master says of the etcd on its own host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterReport {
    /// The node that this host is, or was.
    pub node: NodeName,
    /// The id of the member that runs here, if one answers.
    pub member: Option<MemberId>,
    /// Every address of the host.
    pub addresses: Vec<String>,
    /// The data directory holds something.
    pub has_data: bool,
    /// A process or container of etcd runs.
    pub runs: bool,
}

/// One row of the table: a question, and what each witness answers to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is compared.
    pub what: String,
    /// What etcd's member list says.
    pub member: String,
    /// What the Node object or the host's agent says.
    pub node: String,
    /// The two agree.
    pub agrees: bool,
    /// The second witness is the host's agent, and it is silent.
    pub silent: bool,
}

/// A member with the node that it seems to run on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberMatch {
    /// The member.
    pub member: Member,
    /// The node that most speaks for, if anything does.
    pub node: Option<NodeName>,
    /// All that was compared.
    pub checks: Vec<Check>,
}

impl MemberMatch {
    /// True where a node was found and every witness agrees.
    pub fn is_certain(&self) -> bool {
        self.node.is_some() && self.checks.iter().all(|check| check.agrees)
    }
}

/// Why it is not certain which member belongs to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is not certain which etcd member runs on {node}: {reason}")]
pub struct Mismatch {
    /// The node that was asked for.
    pub node: NodeName,
    /// The first reason, in words.
    pub reason: String,
    /// Every comparison with the member that comes nearest; empty where none does.
    pub table: Vec<Check>,
}

/// The member that runs on a node, if all witnesses agree on it.
pub fn member_of(
    node: &NodeName,
    members: &[Member],
    nodes: &[Node],
    reports: &[MasterReport],
) -> Result<Member, Mismatch> {
    let matched = match_members(members, nodes, reports);
    let here: Vec<&MemberMatch> = matched.iter().filter(|one| one.node.as_ref() == Some(node)).collect();
    let refused = |reason: String, table: Vec<Check>| Err(Mismatch { node: node.clone(), reason, table });
    match here[..] {
        [] => refused("no member of the list has its id, its name or one of its addresses".into(), Vec::new()),
        [one] if one.is_certain() => Ok(one.member.clone()),
        [one] => refused(reason(one), one.checks.clone()),
        [first, second, ..] => refused(
            format!("{} and {} both seem to run there", first.member.label(), second.member.label()),
            here.iter().flat_map(|one| one.checks.clone()).collect(),
        ),
    }
}

/// The member of a node whose host no longer answers: the agent cannot be a witness, so all others have to agree, nobody else may claim the
/// member's id, and the member itself has to be as silent as its host.
pub fn member_of_silent(
    node: &NodeName,
    members: &[Member],
    nodes: &[Node],
    reports: &[MasterReport],
) -> Result<Member, Mismatch> {
    let mismatch = match member_of(node, members, nodes, reports) {
        Ok(member) if member.healthy => {
            let reason = format!("{} answers, and so does its host", member.label());
            return Err(Mismatch { node: node.clone(), reason, table: Vec::new() });
        }
        Ok(member) => return Ok(member),
        Err(mismatch) => mismatch,
    };
    let matched = match_members(members, nodes, reports);
    let mut here = matched.into_iter().filter(|one| one.node.as_ref() == Some(node));
    let (Some(found), None) = (here.next(), here.next()) else { return Err(mismatch) };
    if !found.checks.iter().all(|check| check.agrees || check.silent) {
        return Err(mismatch);
    }
    if found.member.healthy {
        return Err(Mismatch {
            reason: format!("{} still answers, though the agent of its host does not", found.member.label()),
            ..mismatch
        });
    }
    Ok(found.member)
}

fn reason(matched: &MemberMatch) -> String {
    let odd = matched.checks.iter().filter(|check| !check.agrees);
    odd.map(|check| format!("{}: etcd says {}, the host {}", check.what, check.member, check.node))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Every member with the node that it seems to run on, and all that speaks for it and against.
pub fn match_members(members: &[Member], nodes: &[Node], reports: &[MasterReport]) -> Vec<MemberMatch> {
    let pair = |member: &Member| {
        let node = candidate(member, nodes, reports);
        let checks = node.as_ref().map(|node| compare(member, node, members, nodes, reports)).unwrap_or_default();
        MemberMatch { member: member.clone(), node, checks }
    };
    members.iter().map(pair).collect()
}

/// The node that most speaks for: the agent's word first, then the name, then the address that peers use.
fn candidate(member: &Member, nodes: &[Node], reports: &[MasterReport]) -> Option<NodeName> {
    let by_agent = reports.iter().find(|report| report.member == Some(member.id)).map(|report| report.node.clone());
    let by_name = || nodes.iter().find(|node| node.name.as_str() == member.name).map(|node| node.name.clone());
    by_agent.or_else(by_name).or_else(|| by_address(member, nodes, reports))
}

/// The one node that has an address of the member's peer URLs; none where several have.
pub(super) fn by_address(member: &Member, nodes: &[Node], reports: &[MasterReport]) -> Option<NodeName> {
    let hosts = member.peer_hosts();
    let here = |name: &NodeName| {
        let known = addresses_of(name, nodes, reports);
        hosts.iter().any(|host| known.contains(*host))
    };
    let names: BTreeSet<&NodeName> =
        nodes.iter().map(|node| &node.name).chain(reports.iter().map(|report| &report.node)).collect();
    let mut holders = names.into_iter().filter(|name| here(name));
    let first = holders.next()?.clone();
    holders.next().is_none().then_some(first)
}

fn addresses_of(name: &NodeName, nodes: &[Node], reports: &[MasterReport]) -> BTreeSet<String> {
    let of_node = nodes.iter().filter(|node| node.name == *name).flat_map(|node| &node.addresses);
    let of_host = reports.iter().filter(|report| report.node == *name).flat_map(|report| &report.addresses);
    of_node.map(|address| &address.address).chain(of_host).map(|address| plain(address)).collect()
}

/// An address without the prefix length that hosts report it with.
fn plain(address: &str) -> String {
    address.split('/').next().unwrap_or_default().to_owned()
}

fn compare(
    member: &Member,
    name: &NodeName,
    members: &[Member],
    nodes: &[Node],
    reports: &[MasterReport],
) -> Vec<Check> {
    let report = reports.iter().find(|report| report.node == *name);
    let node = nodes.iter().find(|node| node.name == *name);
    let mut checks = vec![id_check(member, report), name_check(member, name, node)];
    let of_host = report.map(|one| set(one.addresses.iter()));
    let of_node = node.map(|one| set(one.addresses.iter().map(|address| &address.address)));
    let of_machine = of_node.map(|of_node| of_machine(of_node, of_host.as_ref()));
    checks.push(Check { silent: report.is_none(), ..peer_check(member, "peer URL and the host's addresses", of_host) });
    checks.push(peer_check(member, "peer URL and the Node's addresses", of_machine));
    checks.push(sole_check(member, name, members, nodes, reports));
    checks
}

/// A kubelet reports one address of several. Where the host has the Node's, the two are one machine, and every address of the host is the Node's.
fn of_machine(of_node: BTreeSet<String>, of_host: Option<&BTreeSet<String>>) -> BTreeSet<String> {
    match of_host {
        Some(of_host) if !of_host.is_disjoint(&of_node) => of_node.union(of_host).cloned().collect(),
        _ => of_node,
    }
}

fn set<'a>(addresses: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    addresses.map(|address| plain(address)).collect()
}

fn id_check(member: &Member, report: Option<&MasterReport>) -> Check {
    let told = report.and_then(|report| report.member);
    let silent = if report.is_some() { "no etcd answers there" } else { "the agent is silent" };
    Check {
        what: "member id".into(),
        member: member.id.to_string(),
        node: told.map_or_else(|| silent.to_owned(), |id| id.to_string()),
        agrees: told == Some(member.id),
        silent: report.is_none(),
    }
}

fn name_check(member: &Member, name: &NodeName, node: Option<&Node>) -> Check {
    Check {
        what: "name".into(),
        member: if member.is_unnamed() { "none".into() } else { member.name.clone() },
        node: if node.is_some() { name.to_string() } else { format!("no Node {name}") },
        agrees: node.is_some() && member.name == name.as_str(),
        silent: false,
    }
}

/// Every peer URL has to lead to this machine: one that leads elsewhere is another machine's.
fn peer_check(member: &Member, what: &str, known: Option<BTreeSet<String>>) -> Check {
    let hosts = member.peer_hosts();
    let agrees =
        known.as_ref().is_some_and(|known| !hosts.is_empty() && hosts.iter().all(|host| known.contains(*host)));
    let listed = |known: BTreeSet<String>| known.into_iter().collect::<Vec<_>>().join(" ");
    Check {
        what: what.to_owned(),
        member: hosts.join(" "),
        node: known.map_or_else(|| "not known".to_owned(), listed),
        agrees,
        silent: false,
    }
}

/// An address that two nodes have, or a name that two members have, identifies nothing.
fn sole_check(member: &Member, name: &NodeName, members: &[Member], nodes: &[Node], reports: &[MasterReport]) -> Check {
    let twins = members.iter().filter(|other| other.id != member.id).filter(|other| {
        let same_name = !other.is_unnamed() && other.name == member.name;
        same_name || other.peer_hosts().iter().any(|host| member.peer_hosts().contains(host))
    });
    let twins: Vec<String> = twins.map(Member::label).collect();
    let others = nodes.iter().map(|node| &node.name).chain(reports.iter().map(|report| &report.node));
    let others: BTreeSet<&NodeName> = others
        .filter(|other| *other != name)
        .filter(|other| {
            let known = addresses_of(other, nodes, reports);
            member.peer_hosts().iter().any(|host| known.contains(*host))
        })
        .collect();
    let sharing = |names: Vec<String>| {
        if names.is_empty() { "nobody else".to_owned() } else { names.join(", ") }
    };
    Check {
        what: "who else has this name or address".into(),
        agrees: twins.is_empty() && others.is_empty(),
        member: sharing(twins),
        node: sharing(others.into_iter().map(ToString::to_string).collect()),
        silent: false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::member::tests::{dead, never_started, voter};
    use super::*;
    use serde_json::json;

    pub(in crate::etcd) fn name(n: u64) -> NodeName {
        NodeName::new(format!("m{n}")).unwrap()
    }

    pub(in crate::etcd) fn master(n: u64) -> Node {
        crate::node::tests::node(json!({
            "metadata": {"name": format!("m{n}")},
            "status": {"addresses": [
                {"type": "InternalIP", "address": format!("10.0.0.{n}")}, {"type": "Hostname", "address": format!("m{n}")}]},
        }))
    }

    pub(in crate::etcd) fn report(n: u64) -> MasterReport {
        MasterReport {
            node: name(n),
            member: Some(MemberId(0xa0 + n)),
            addresses: vec!["127.0.0.1/8".into(), format!("10.0.0.{n}/24"), format!("192.168.7.{n}")],
            has_data: true,
            runs: true,
        }
    }

    fn three() -> (Vec<Member>, Vec<Node>, Vec<MasterReport>) {
        ([1, 2, 3].map(voter).into(), [1, 2, 3].map(master).into(), [1, 2, 3].map(report).into())
    }

    fn odd(mismatch: &Mismatch) -> Vec<&str> {
        mismatch.table.iter().filter(|check| !check.agrees).map(|check| check.what.as_str()).collect()
    }

    #[test]
    fn a_member_is_a_nodes_when_every_witness_agrees() {
        let (members, nodes, reports) = three();
        for n in 1..=3 {
            assert_eq!(member_of(&name(n), &members, &nodes, &reports).unwrap(), voter(n));
        }
        assert!(match_members(&members, &nodes, &reports).iter().all(MemberMatch::is_certain));
    }

    #[test]
    fn on_a_host_with_two_addresses_the_right_member_is_found_and_a_foreign_peer_url_refuses() {
        let (mut members, mut nodes, mut reports) = three();
        members[1].peer_urls = vec!["https://192.168.7.2:2380".into()];
        assert_eq!(member_of(&name(2), &members, &nodes, &reports).unwrap(), members[1], "the Node's host has both");
        let silent = member_of(&name(2), &members, &nodes, &[report(1)]).unwrap_err();
        assert!(
            odd(&silent).contains(&"peer URL and the Node's addresses"),
            "nobody says that it has both: {silent:?}"
        );
        reports[1].addresses = vec!["192.168.7.2".into()];
        let apart = member_of(&name(2), &members, &nodes, &reports).unwrap_err();
        assert_eq!(odd(&apart), ["peer URL and the Node's addresses"], "the host has not the Node's address");
        (nodes, reports) = (three().1, three().2);
        members[1].peer_urls = vec!["https://10.0.0.3:2380".into()];
        let mismatch = member_of(&name(2), &members, &nodes, &reports).unwrap_err();
        assert!(odd(&mismatch).contains(&"peer URL and the host's addresses"), "{mismatch:?}");
        assert!(odd(&mismatch).contains(&"who else has this name or address"), "{mismatch:?}");
        assert!(mismatch.to_string().contains("etcd says 10.0.0.3"), "{mismatch}");
    }

    #[test]
    fn each_witness_alone_can_refuse() {
        let (members, nodes, reports) = three();
        let refused = |members: &[Member], nodes: &[Node], reports: &[MasterReport]| {
            odd(&member_of(&name(2), members, nodes, reports).unwrap_err()).join(",")
        };
        let mut other = reports.clone();
        other[1].member = None;
        assert_eq!(refused(&members, &nodes, &other), "member id");
        assert_eq!(refused(&members, &nodes, &[report(1)]), "member id,peer URL and the host's addresses");
        let mut renamed = members.clone();
        renamed[1].name = "old".into();
        assert_eq!(refused(&renamed, &nodes, &reports), "name");
        assert!(refused(&members, &[master(1)], &reports).starts_with("name,peer URL and the Node's"));
    }

    #[test]
    fn swapped_ids_are_noticed() {
        let (members, nodes, mut reports) = three();
        reports[1].member = Some(voter(3).id);
        reports[2].member = Some(voter(2).id);
        let mismatch = member_of(&name(2), &members, &nodes, &reports).unwrap_err();
        assert!(odd(&mismatch).contains(&"name"), "{mismatch:?}");
    }

    #[test]
    fn two_members_on_one_host_are_no_answer() {
        let (mut members, nodes, reports) = three();
        members.push(Member { peer_urls: voter(2).peer_urls, ..never_started(4) });
        let mismatch = member_of(&name(2), &members, &nodes, &reports).unwrap_err();
        assert!(mismatch.reason.contains("both seem to run there"), "{mismatch}");
    }

    #[test]
    fn a_node_without_a_member_is_told_so() {
        let (members, mut nodes, reports) = three();
        nodes.push(master(9));
        let mismatch = member_of(&name(9), &members, &nodes, &reports).unwrap_err();
        assert!(mismatch.table.is_empty() && mismatch.reason.starts_with("no member"), "{mismatch}");
    }

    #[test]
    fn a_dead_host_is_shown_with_what_its_agent_cannot_say() {
        let members = [voter(1), voter(2), dead(3)];
        let nodes = [1, 2, 3].map(master);
        let matched = match_members(&members, &nodes, &[report(1), report(2)]);
        assert_eq!(matched[2].node, Some(name(3)));
        assert!(!matched[2].is_certain());
        assert_eq!(matched[2].checks[0].node, "the agent is silent");
    }

    #[test]
    fn a_silent_hosts_member_is_known_when_all_others_agree_and_it_is_silent_too() {
        let nodes = [1, 2, 3].map(master);
        let reports = [report(1), report(2)];
        let silent =
            |members: &[Member], reports: &[MasterReport]| member_of_silent(&name(3), members, &nodes, reports);
        assert_eq!(silent(&[voter(1), voter(2), dead(3)], &reports).unwrap(), dead(3));
        let answers = silent(&[voter(1), voter(2), voter(3)], &reports).unwrap_err();
        assert!(answers.reason.contains("still answers"), "{answers}");
        let renamed = Member { name: "old".into(), ..dead(3) };
        assert!(silent(&[voter(1), voter(2), renamed], &reports).is_err());
        let claimed = [report(1), MasterReport { member: Some(dead(3).id), ..report(2) }];
        assert!(silent(&[voter(1), voter(2), dead(3)], &claimed).is_err(), "another host says that this is its member");
        let both = [1, 2, 3].map(report);
        assert!(silent(&[voter(1), voter(2), voter(3)], &both).is_err(), "the host is not silent at all");
    }
}
