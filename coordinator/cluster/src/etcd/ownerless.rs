//! Members that belong to no node. Without a name: added, never started. A join that was broken off leaves one behind, and it blocks every
//! later join; a join that goes on has one too, and must not be robbed of it. With a name, and no Node of that name or address: the Node was
//! deleted and the member forgotten. So it is said whose it probably is, and removed only with proof.

use serde::{Deserialize, Serialize};
use slipway_types::NodeName;

use super::identity::{MasterReport, by_address};
use super::member::Member;
use crate::Node;

/// What is known of such a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerlessClass {
    /// A join is open, or etcd already runs on its host: it may yet start.
    Joining,
    /// Its host's agent says that no etcd runs there and none has left data.
    BrokenOff,
    /// No etcd runs on its host, but there is data of one: somebody has to look.
    Stopped,
    /// Its host is known and its agent is silent.
    HostSilent,
    /// No known host has the address in its peer URL, or several have.
    Stranger,
    /// It has a name, it does not answer, and no Node has its name or its address.
    Forgotten,
}

/// Why it may be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnerlessProof {
    /// The agent of this host says that there is no data of etcd and no process.
    HostIsBare(NodeName),
    /// Somebody has looked, and said so; kept in the run's record.
    OperatorsWord {
        /// Who.
        by: String,
        /// In whose words.
        statement: String,
    },
}

/// A member that belongs to no node, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ownerless {
    /// The member.
    pub member: Member,
    /// The node whose address is in its peer URL, if it is one alone.
    pub probably: Option<NodeName>,
    /// What is known.
    pub class: OwnerlessClass,
    /// The same in words, with the way out.
    pub explanation: String,
}

impl Ownerless {
    /// What allows the removal, or why nothing does. The word of an operator is enough except against a join that is open or runs.
    pub fn proof(&self, word: Option<(&str, &str)>) -> Result<OwnerlessProof, String> {
        let word = word.filter(|(by, statement)| !by.trim().is_empty() && !statement.trim().is_empty());
        match (&self.class, &self.probably, word) {
            (OwnerlessClass::BrokenOff, Some(host), _) => Ok(OwnerlessProof::HostIsBare(host.clone())),
            (OwnerlessClass::Joining, ..) | (_, _, None) => Err(self.explanation.clone()),
            (_, _, Some((by, statement))) => {
                Ok(OwnerlessProof::OperatorsWord { by: by.to_owned(), statement: statement.to_owned() })
            }
        }
    }
}

/// All members that belong to no node. `open_joins` are the nodes of which a join was begun and not ended.
pub fn ownerless(
    members: &[Member],
    nodes: &[Node],
    reports: &[MasterReport],
    open_joins: &[NodeName],
) -> Vec<Ownerless> {
    let concerned = |member: &&Member| member.is_unnamed() || is_forgotten(member, nodes, reports);
    members.iter().filter(concerned).map(|one| explain(one, nodes, reports, open_joins)).collect()
}

/// Neither a Node nor an agent has anything to say of it.
fn is_forgotten(member: &Member, nodes: &[Node], reports: &[MasterReport]) -> bool {
    let named = nodes.iter().any(|node| node.name.as_str() == member.name);
    let claimed = reports.iter().any(|report| report.member == Some(member.id) || report.node.as_str() == member.name);
    !member.is_unnamed() && !member.healthy && !named && !claimed && by_address(member, nodes, reports).is_none()
}

fn explain(member: &Member, nodes: &[Node], reports: &[MasterReport], open_joins: &[NodeName]) -> Ownerless {
    let probably = by_address(member, nodes, reports);
    let report = probably.as_ref().and_then(|name| reports.iter().find(|report| report.node == *name));
    let class = match (open_joins, &probably, report) {
        _ if !member.is_unnamed() => OwnerlessClass::Forgotten,
        ([_, ..], ..) => OwnerlessClass::Joining,
        (_, None, _) => OwnerlessClass::Stranger,
        (_, _, None) => OwnerlessClass::HostSilent,
        (_, _, Some(MasterReport { runs: true, .. })) => OwnerlessClass::Joining,
        (_, _, Some(MasterReport { has_data: true, .. })) => OwnerlessClass::Stopped,
        (_, _, Some(_)) => OwnerlessClass::BrokenOff,
    };
    let explanation = words(member, &class, probably.as_ref(), open_joins);
    Ownerless { member: member.clone(), probably, class, explanation }
}

fn words(member: &Member, class: &OwnerlessClass, probably: Option<&NodeName>, open_joins: &[NodeName]) -> String {
    let host = probably.map(ToString::to_string).unwrap_or_default();
    let tail = match class {
        OwnerlessClass::Joining if !open_joins.is_empty() => {
            let joins: Vec<String> = open_joins.iter().map(ToString::to_string).collect();
            format!("a join is open ({}), and this may be its member; let it end, or abort it first", joins.join(", "))
        }
        OwnerlessClass::Joining => format!("etcd runs on {host}, so it may be about to join; wait until it has a name, or stop it there"),
        OwnerlessClass::BrokenOff => {
            format!("{host} has its address, and neither data nor a process of etcd: a join was broken off. It can be removed")
        }
        OwnerlessClass::Stopped => format!(
            "{host} has its address and data of an etcd that does not run; look there, then give your word that this member never served"
        ),
        OwnerlessClass::HostSilent => {
            format!("{host} has its address and its agent does not answer; give your word that no etcd starts there again")
        }
        OwnerlessClass::Stranger => {
            "no host alone has the address in its peer URL; find the machine, then give your word that no etcd starts there again".to_owned()
        }
        OwnerlessClass::Forgotten => {
            "no Node has its name or its address; find the machine, then give your word that no etcd starts there again".to_owned()
        }
    };
    let what =
        if member.is_unnamed() { "was added and has never started" } else { "does not answer and belongs to no node" };
    format!("{} {what}: {tail}", member.label())
}

#[cfg(test)]
mod tests {
    use super::super::identity::tests::{master, name, report};
    use super::super::member::tests::{dead, never_started, voter};
    use super::*;

    fn bare(n: u64) -> MasterReport {
        MasterReport { member: None, has_data: false, runs: false, ..report(n) }
    }

    fn only(nodes: &[Node], reports: &[MasterReport], joins: &[NodeName]) -> Ownerless {
        let members = [voter(1), voter(2), never_started(3)];
        let mut found = ownerless(&members, nodes, reports, joins);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    const WORD: Option<(&str, &str)> = Some(("alice", "m3 was wiped by hand"));

    #[test]
    fn a_join_that_was_broken_off_is_proved_by_the_hosts_agent() {
        let found = only(&[master(1), master(2)], &[report(1), report(2), bare(3)], &[]);
        assert_eq!((found.class.clone(), found.probably.clone()), (OwnerlessClass::BrokenOff, Some(name(3))));
        assert_eq!(found.proof(None), Ok(OwnerlessProof::HostIsBare(name(3))));
    }

    #[test]
    fn a_join_that_is_open_keeps_its_member_whoever_gives_what_word() {
        let nodes = [1, 2].map(master);
        let open = only(&nodes, &[report(1), report(2), bare(3)], &[name(3)]);
        assert_eq!(open.class, OwnerlessClass::Joining);
        assert!(open.proof(WORD).unwrap_err().contains("a join is open (m3)"));
        let elsewhere = only(&nodes, &[bare(3)], &[name(4)]);
        assert_eq!(elsewhere.class, OwnerlessClass::Joining, "whose join it is cannot be told for certain");
        let running = only(&nodes, &[MasterReport { member: None, ..report(3) }], &[]);
        assert!(running.proof(WORD).unwrap_err().contains("etcd runs on m3"));
    }

    #[test]
    fn what_no_agent_can_prove_needs_an_operators_word() {
        let nodes = [1, 2, 3].map(master);
        let rows = [
            (only(&nodes, &[], &[]), OwnerlessClass::HostSilent),
            (only(&nodes[..2], &[report(1)], &[]), OwnerlessClass::Stranger),
            (only(&nodes, &[MasterReport { has_data: true, ..bare(3) }], &[]), OwnerlessClass::Stopped),
        ];
        for (found, class) in rows {
            assert_eq!(found.class, class);
            assert!(found.proof(None).is_err());
            assert!(found.proof(Some(("alice", " "))).is_err(), "an empty word is none");
            assert!(matches!(found.proof(WORD), Ok(OwnerlessProof::OperatorsWord { .. })));
        }
    }

    #[test]
    fn an_address_that_two_hosts_have_is_nobodys() {
        let mut twin = bare(4);
        twin.addresses.push("10.0.0.3".into());
        assert_eq!(only(&[], &[bare(3), twin], &[]).class, OwnerlessClass::Stranger);
    }

    #[test]
    fn a_member_whose_node_was_deleted_needs_a_word_and_one_that_answers_is_not_spoken_of() {
        let forgotten = [voter(1), dead(2)];
        let nodes = [master(1)];
        let found = ownerless(&forgotten, &nodes, &[report(1)], &[]);
        assert_eq!(found.iter().map(|one| one.class.clone()).collect::<Vec<_>>(), [OwnerlessClass::Forgotten]);
        assert!(found[0].explanation.contains("belongs to no node"), "{}", found[0].explanation);
        assert!(found[0].proof(None).is_err());
        assert!(found[0].proof(WORD).is_ok());
        assert!(ownerless(&[voter(1), voter(2)], &[], &[], &[]).is_empty(), "it answers");
        assert!(ownerless(&forgotten, &[master(1), master(2)], &[], &[]).is_empty(), "its Node is there");
        assert!(ownerless(&forgotten, &nodes, &[report(2)], &[]).is_empty(), "an agent knows of it");
    }
}
