//! From the answers of agents to members, as the projection and the identity check want them. Pure: the wire goes in, plain data comes out.

use std::collections::BTreeMap;

use slipway_cluster::etcd::{Alarm, MasterReport, Member, MemberId};
use slipway_errors::{Code, Coded};
use slipway_proto::types::{EtcdKind, EtcdMember, EtcdStatus};
use slipway_types::NodeName;

/// What one agent was asked, and what became of it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The node that its host serves as.
    pub node: NodeName,
    /// Every address of the host, as it reported them last.
    pub addresses: Vec<String>,
    /// What it said, or why it said nothing.
    pub said: Result<EtcdStatus, Coded>,
}

/// How etcd stands.
#[derive(Debug, Clone, Default)]
pub struct EtcdView {
    /// The members, by a list that a quorum agreed on.
    pub members: Vec<Member>,
    /// What each master's agent says of its own host.
    pub reports: Vec<MasterReport>,
    /// Whose list it is.
    pub told_by: Option<NodeName>,
    /// The data folder on each host that has a member and says where.
    pub data_dirs: BTreeMap<NodeName, String>,
    /// Where etcd runs as a systemd unit rather than as kubeadm's static pod.
    pub units: Vec<NodeName>,
    /// Masters that have no member of their own: etcd runs elsewhere.
    pub without: Vec<NodeName>,
    /// Who did not answer, or not well, and why.
    pub silent: BTreeMap<NodeName, String>,
    /// What each member said of why it did not answer.
    pub errors: BTreeMap<MemberId, String>,
}

impl EtcdView {
    /// Puts the answers together. The list comes from the first host, not `except`, whose member has just read with a quorum.
    pub fn of(answers: &[Answer], except: Option<&NodeName>) -> Self {
        let mut view = Self::default();
        for answer in answers {
            view.take(answer);
        }
        let agreed = answers.iter().filter(|answer| Some(&answer.node) != except).find_map(|answer| {
            let status = answer.said.as_ref().ok().filter(|status| status.quorum_read)?;
            Some((answer.node.clone(), status))
        });
        if let Some((node, status)) = agreed {
            view.members = members(status);
            let failed = status.members.iter().filter(|member| !member.error.is_empty());
            view.errors = failed.map(|member| (MemberId(member.id), member.error.clone())).collect();
            view.told_by = Some(node);
        }
        view
    }

    fn take(&mut self, answer: &Answer) {
        match &answer.said {
            Ok(status) => {
                if !status.error.is_empty() {
                    self.silent.insert(answer.node.clone(), status.error.clone());
                }
                if status.kind() == EtcdKind::None {
                    self.without.push(answer.node.clone());
                } else if !status.data_dir.is_empty() {
                    self.data_dirs.insert(answer.node.clone(), status.data_dir.clone());
                }
                if status.kind() == EtcdKind::SystemdUnit {
                    self.units.push(answer.node.clone());
                }
                self.reports.push(MasterReport {
                    node: answer.node.clone(),
                    member: Some(MemberId(status.own_member_id)).filter(|id| id.0 != 0),
                    addresses: answer.addresses.clone(),
                    has_data: status.has_data,
                    runs: status.own_member_id != 0,
                });
            }
            Err(error) => {
                self.silent.insert(answer.node.clone(), error.message.clone());
            }
        }
    }

    /// The list, or why there is none that could be relied on.
    pub fn agreed(self) -> Result<Self, Coded> {
        if self.told_by.is_some() {
            return Ok(self);
        }
        let why: Vec<String> = self.silent.iter().map(|(node, why)| format!("{node}: {why}")).collect();
        let why = if why.is_empty() { "no agent knows of a member".to_owned() } else { why.join("; ") };
        Err(Coded::new(Code::ETCD_SILENT, format!("no member of etcd gives a list that a quorum agreed on ({why})"))
            .do_this("slipway etcd status shows each member; bring one back, or restore etcd from a snapshot"))
    }

    /// Some host that answered has an etcd of its own, in whatever state.
    pub fn is_set_up(&self) -> bool {
        self.reports.iter().any(|report| !self.without.contains(&report.node))
    }

    /// The member of that id.
    pub fn member(&self, id: MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }
}

/// The members as one host's etcd lists them, by name.
pub fn members(status: &EtcdStatus) -> Vec<Member> {
    let mut members: Vec<Member> = status.members.iter().map(|member| member_of(member, status)).collect();
    members.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    members
}

fn member_of(member: &EtcdMember, status: &EtcdStatus) -> Member {
    let said = member.status.as_ref();
    let alarms = status.alarms.iter().filter(|alarm| alarm.member_id == member.id).map(|alarm| alarm.kind.as_str());
    Member {
        id: MemberId(member.id),
        name: member.name.clone(),
        peer_urls: member.peer_urls.clone(),
        client_urls: member.client_urls.clone(),
        learner: member.learner,
        healthy: said.is_some_and(|said| said.leader != 0 && said.errors.is_empty()),
        version: said.map(|said| said.version.clone()).unwrap_or_default(),
        db_size: said.map(|said| said.db_size_bytes).unwrap_or_default(),
        leader: said.is_some_and(|said| said.leader == member.id),
        raft_index: said.map(|said| said.raft_index).unwrap_or_default(),
        alarms: alarms.map(alarm_of).collect(),
    }
}

fn alarm_of(kind: &str) -> Alarm {
    match kind {
        "NOSPACE" => Alarm::NoSpace,
        "CORRUPT" => Alarm::Corrupt,
        other => Alarm::Other(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::{EtcdAlarm, EtcdMemberStatus};

    fn member(id: u64, leader: u64) -> EtcdMember {
        let status = (leader != 0).then(|| EtcdMemberStatus { leader, version: "3.5.24".into(), ..Default::default() });
        EtcdMember { id, name: format!("m{id}"), status, ..Default::default() }
    }

    fn answer(own: u64, quorum_read: bool) -> Answer {
        let status = EtcdStatus {
            kind: EtcdKind::StaticPod.into(),
            own_member_id: own,
            data_dir: "/var/lib/etcd".into(),
            members: vec![member(3, 0), member(1, 1), member(2, 1)],
            alarms: vec![EtcdAlarm { member_id: 2, kind: "NOSPACE".into() }],
            quorum_read,
            ..Default::default()
        };
        Answer { node: format!("m{own}").parse().unwrap(), addresses: vec![], said: Ok(status) }
    }

    #[test]
    fn the_list_is_one_that_a_quorum_agreed_on_and_not_that_of_whoever_leaves() {
        let answers = [answer(1, true), answer(2, false), answer(3, true)];
        let leaves = "m1".parse().unwrap();
        assert_eq!(EtcdView::of(&answers, Some(&leaves)).told_by.unwrap().as_str(), "m3");
        assert_eq!(EtcdView::of(&answers[..2], Some(&leaves)).agreed().unwrap_err().code, Code::ETCD_SILENT);
    }

    #[test]
    fn a_member_is_healthy_if_it_answers_and_knows_a_leader() {
        let view = EtcdView::of(&[answer(1, true)], None);
        let seen: Vec<_> = view.members.iter().map(|one| (one.name.as_str(), one.healthy, one.leader)).collect();
        assert_eq!(seen, [("m1", true, true), ("m2", true, false), ("m3", false, false)]);
        assert_eq!(view.member(MemberId(2)).unwrap().alarms, [Alarm::NoSpace]);
    }

    #[test]
    fn a_silent_agent_is_named_with_its_reason() {
        let silent = Answer {
            node: "m2".parse().unwrap(),
            addresses: vec![],
            said: Err(Coded::new(Code::WIRE_UNREACHABLE, "connection refused")),
        };
        let error = EtcdView::of(&[silent], None).agreed().unwrap_err();
        assert!(error.message.contains("m2: connection refused"), "{error}");
    }
}
