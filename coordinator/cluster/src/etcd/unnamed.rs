//! Members without a name: added, never started. A join that was broken off leaves one behind, and it blocks every later join; a join that
//! goes on has one too, and must not be robbed of it. So it is said whose it probably is, and removed only with proof.

use serde::{Deserialize, Serialize};
use slipway_types::NodeName;

use super::identity::{MasterReport, by_address};
use super::member::Member;
use crate::Node;

/// What is known of a member without a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnnamedClass {
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
}

/// Why an unnamed member may be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnnamedProof {
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

/// A member without a name, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unnamed {
    /// The member.
    pub member: Member,
    /// The node whose address is in its peer URL, if it is one alone.
    pub probably: Option<NodeName>,
    /// What is known.
    pub class: UnnamedClass,
    /// The same in words, with the way out.
    pub explanation: String,
}

impl Unnamed {
    /// What allows the removal, or why nothing does. The word of an operator is enough except against a join that is open or runs.
    pub fn proof(&self, word: Option<(&str, &str)>) -> Result<UnnamedProof, String> {
        let word = word.filter(|(by, statement)| !by.trim().is_empty() && !statement.trim().is_empty());
        match (&self.class, &self.probably, word) {
            (UnnamedClass::BrokenOff, Some(host), _) => Ok(UnnamedProof::HostIsBare(host.clone())),
            (UnnamedClass::Joining, ..) | (_, _, None) => Err(self.explanation.clone()),
            (_, _, Some((by, statement))) => {
                Ok(UnnamedProof::OperatorsWord { by: by.to_owned(), statement: statement.to_owned() })
            }
        }
    }
}

/// All members without a name. `open_joins` are the nodes of which a join was begun and not ended.
pub fn unnamed(members: &[Member], nodes: &[Node], reports: &[MasterReport], open_joins: &[NodeName]) -> Vec<Unnamed> {
    members.iter().filter(|member| member.is_unnamed()).map(|one| explain(one, nodes, reports, open_joins)).collect()
}

fn explain(member: &Member, nodes: &[Node], reports: &[MasterReport], open_joins: &[NodeName]) -> Unnamed {
    let probably = by_address(member, nodes, reports);
    let report = probably.as_ref().and_then(|name| reports.iter().find(|report| report.node == *name));
    let class = match (open_joins, &probably, report) {
        ([_, ..], ..) => UnnamedClass::Joining,
        (_, None, _) => UnnamedClass::Stranger,
        (_, _, None) => UnnamedClass::HostSilent,
        (_, _, Some(MasterReport { runs: true, .. })) => UnnamedClass::Joining,
        (_, _, Some(MasterReport { has_data: true, .. })) => UnnamedClass::Stopped,
        (_, _, Some(_)) => UnnamedClass::BrokenOff,
    };
    let explanation = words(member, &class, probably.as_ref(), open_joins);
    Unnamed { member: member.clone(), probably, class, explanation }
}

fn words(member: &Member, class: &UnnamedClass, probably: Option<&NodeName>, open_joins: &[NodeName]) -> String {
    let host = probably.map(ToString::to_string).unwrap_or_default();
    let tail = match class {
        UnnamedClass::Joining if !open_joins.is_empty() => {
            let joins: Vec<String> = open_joins.iter().map(ToString::to_string).collect();
            format!("a join is open ({}), and this may be its member; let it end, or abort it first", joins.join(", "))
        }
        UnnamedClass::Joining => format!("etcd runs on {host}, so it may be about to join; wait until it has a name, or stop it there"),
        UnnamedClass::BrokenOff => {
            format!("{host} has its address, and neither data nor a process of etcd: a join was broken off. It can be removed")
        }
        UnnamedClass::Stopped => format!(
            "{host} has its address and data of an etcd that does not run; look there, then give your word that this member never served"
        ),
        UnnamedClass::HostSilent => {
            format!("{host} has its address and its agent does not answer; give your word that no etcd starts there again")
        }
        UnnamedClass::Stranger => {
            "no host alone has the address in its peer URL; find the machine, then give your word that no etcd starts there again".to_owned()
        }
    };
    format!("{} was added and has never started: {tail}", member.label())
}

#[cfg(test)]
mod tests {
    use super::super::identity::tests::{master, name, report};
    use super::super::member::tests::{never_started, voter};
    use super::*;

    fn bare(n: u64) -> MasterReport {
        MasterReport { member: None, has_data: false, runs: false, ..report(n) }
    }

    fn only(nodes: &[Node], reports: &[MasterReport], joins: &[NodeName]) -> Unnamed {
        let members = [voter(1), voter(2), never_started(3)];
        let mut found = unnamed(&members, nodes, reports, joins);
        assert_eq!(found.len(), 1);
        found.remove(0)
    }

    const WORD: Option<(&str, &str)> = Some(("alice", "m3 was wiped by hand"));

    #[test]
    fn a_join_that_was_broken_off_is_proved_by_the_hosts_agent() {
        let found = only(&[master(1), master(2)], &[report(1), report(2), bare(3)], &[]);
        assert_eq!((found.class.clone(), found.probably.clone()), (UnnamedClass::BrokenOff, Some(name(3))));
        assert_eq!(found.proof(None), Ok(UnnamedProof::HostIsBare(name(3))));
    }

    #[test]
    fn a_join_that_is_open_keeps_its_member_whoever_gives_what_word() {
        let nodes = [1, 2].map(master);
        let open = only(&nodes, &[report(1), report(2), bare(3)], &[name(3)]);
        assert_eq!(open.class, UnnamedClass::Joining);
        assert!(open.proof(WORD).unwrap_err().contains("a join is open (m3)"));
        let elsewhere = only(&nodes, &[bare(3)], &[name(4)]);
        assert_eq!(elsewhere.class, UnnamedClass::Joining, "whose join it is cannot be told for certain");
        let running = only(&nodes, &[MasterReport { member: None, ..report(3) }], &[]);
        assert!(running.proof(WORD).unwrap_err().contains("etcd runs on m3"));
    }

    #[test]
    fn what_no_agent_can_prove_needs_an_operators_word() {
        let nodes = [1, 2, 3].map(master);
        let rows = [
            (only(&nodes, &[], &[]), UnnamedClass::HostSilent),
            (only(&nodes[..2], &[report(1)], &[]), UnnamedClass::Stranger),
            (only(&nodes, &[MasterReport { has_data: true, ..bare(3) }], &[]), UnnamedClass::Stopped),
        ];
        for (found, class) in rows {
            assert_eq!(found.class, class);
            assert!(found.proof(None).is_err());
            assert!(found.proof(Some(("alice", " "))).is_err(), "an empty word is none");
            assert!(matches!(found.proof(WORD), Ok(UnnamedProof::OperatorsWord { .. })));
        }
    }

    #[test]
    fn an_address_that_two_hosts_have_is_nobodys() {
        let mut twin = bare(4);
        twin.addresses.push("10.0.0.3".into());
        assert_eq!(only(&[], &[bare(3), twin], &[]).class, UnnamedClass::Stranger);
    }

    #[test]
    fn members_with_a_name_are_not_spoken_of() {
        assert!(unnamed(&[voter(1), voter(2)], &[], &[], &[]).is_empty());
    }
}
