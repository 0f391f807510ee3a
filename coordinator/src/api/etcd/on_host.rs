//! What one host says of its own etcd. Its word alone is no proof of how the whole stands, and is not given out as such; and what it cannot ask
//! for a reason of its own, such as certificates that are gone, is an error and no empty answer. Pure.

use slipway_cluster::etcd::MemberId;
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator as wire;
use slipway_proto::types::{EtcdKind, EtcdStatus};

use super::{how_they_stand, row, standing};
use crate::etcd::members;

/// The answer, from what the agent of `host` says.
pub(super) fn answer(host: &str, status: &EtcdStatus) -> Result<wire::GetEtcdStatusResponse, Coded> {
    let run_by = match status.kind() {
        EtcdKind::StaticPod => "static-pod",
        EtcdKind::SystemdUnit => "systemd-unit",
        EtcdKind::None | EtcdKind::Unspecified => {
            let text = format!("{host} runs no member of etcd: it is not a master with etcd");
            return Err(Coded::new(Code::ETCD_NONE, text)
                .do_this("slipway etcd status shows the members and the nodes they run on"));
        }
    };
    cannot_ask(host, status)?;
    let members = members(status);
    let own = members.iter().find(|member| member.id == MemberId(status.own_member_id));
    let more = standing(&members).tolerance().unwrap_or_default();
    Ok(wire::GetEtcdStatusResponse {
        members: own.map(|member| row(member, Some(host), error_of(status))).into_iter().collect(),
        told_by: host.to_owned(),
        quorum: u32::try_from(standing(&members).quorum).unwrap_or(u32::MAX),
        survives: if status.quorum_read { i32::try_from(more).unwrap_or(i32::MAX) } else { -1 },
        says: if status.quorum_read {
            format!("etcd on {host} has just read with a quorum: {}", how_they_stand(&members))
        } else {
            format!("etcd on {host} reads nothing that a quorum agrees on: {}", status.error)
        },
        notes: vec![format!("this is what {host} says alone; slipway etcd status asks every master")],
        on_host: Some(wire::EtcdOnHost {
            host: host.to_owned(),
            run_by: run_by.to_owned(),
            data_dir: status.data_dir.clone(),
            quorum_read: status.quorum_read,
            error: status.error.clone(),
            code: status.error_code.clone(),
        }),
    })
}

/// Why its own member does not answer for itself.
fn error_of(status: &EtcdStatus) -> Option<&str> {
    let own = status.members.iter().find(|member| member.id == status.own_member_id)?;
    Some(own.error.as_str())
}

/// An etcd that is silent or without a quorum is an answer. One that the agent has no means to ask is none.
fn cannot_ask(host: &str, status: &EtcdStatus) -> Result<(), Coded> {
    let code = Code::parse(&status.error_code).filter(|code| *code != Code::ETCD_SILENT);
    let Some(code) = code.filter(|_| status.members.is_empty()) else { return Ok(()) };
    let error = Coded::new(code, format!("the agent of {host} cannot ask the etcd there: {}", status.error));
    Err(match code {
        Code::ETCD_CERTIFICATES => error.do_this(
            "put its certificates back (by kubeadm: /etc/kubernetes/pki/etcd, or kubeadm certs renew all), then ask again",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::{EtcdMember, EtcdMemberStatus};

    fn member(id: u64, up: bool) -> EtcdMember {
        let status = up.then(|| EtcdMemberStatus { leader: 1, version: "3.5.24".into(), ..Default::default() });
        EtcdMember { id, name: format!("m{id}"), status, ..Default::default() }
    }

    fn status() -> EtcdStatus {
        EtcdStatus {
            kind: EtcdKind::StaticPod.into(),
            own_member_id: 2,
            data_dir: "/var/lib/etcd".into(),
            members: vec![member(1, true), member(2, true), member(3, false)],
            quorum_read: true,
            ..Default::default()
        }
    }

    #[test]
    fn a_master_tells_of_its_own_member_alone() {
        let said = answer("m2", &status()).unwrap();
        let rows: Vec<_> = said.members.iter().map(|row| (row.name.as_str(), row.node.as_str())).collect();
        assert_eq!(rows, [("m2", "m2")]);
        assert_eq!((said.survives, said.quorum), (0, 2));
        let on_host = said.on_host.unwrap();
        assert_eq!((on_host.run_by.as_str(), on_host.data_dir.as_str()), ("static-pod", "/var/lib/etcd"));
        assert!(on_host.quorum_read, "{}", said.says);
    }

    #[test]
    fn a_host_without_etcd_is_named() {
        let none = EtcdStatus { kind: EtcdKind::None.into(), ..Default::default() };
        let error = answer("w1", &none).unwrap_err();
        assert_eq!(error.code, Code::ETCD_NONE);
        assert!(error.message.contains("w1") && error.message.contains("not a master with etcd"), "{error}");
    }

    #[test]
    fn missing_certificates_are_the_agents_own_error() {
        let blind = EtcdStatus {
            own_member_id: 0,
            members: Vec::new(),
            quorum_read: false,
            error: "/etc/kubernetes/pki/etcd/healthcheck-client.crt cannot be used".into(),
            error_code: Code::ETCD_CERTIFICATES.as_str().into(),
            ..status()
        };
        let error = answer("m2", &blind).unwrap_err();
        assert_eq!(error.code, Code::ETCD_CERTIFICATES);
        assert!(error.message.contains("m2") && error.message.contains("healthcheck-client.crt"), "{error}");
    }

    #[test]
    fn an_etcd_that_is_silent_is_an_answer_without_a_quorum() {
        let silent = EtcdStatus {
            own_member_id: 0,
            members: Vec::new(),
            quorum_read: false,
            error: "connection refused".into(),
            error_code: Code::ETCD_SILENT.as_str().into(),
            ..status()
        };
        let said = answer("m2", &silent).unwrap();
        assert_eq!((said.survives, said.members.len()), (-1, 0));
        assert!(said.says.contains("connection refused"), "{}", said.says);
        assert_eq!(said.on_host.unwrap().code, "SLIP-ETCD-002");
    }
}
