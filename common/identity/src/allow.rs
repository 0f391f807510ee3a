//! The one table of who may call what. Every RPC of every service has a row, and what has none is refused: a test compares the table with the
//! descriptors of the wire, so a new RPC cannot be forgotten here.

use slipway_errors::{Code, Coded};
use slipway_types::Role::{self, Admin, Agent, Anonymous, Approver, Coordinator, EtcdBackup, Operator, Reader};

/// What the table says about one RPC.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// `package.Service/Method`.
    pub path: &'static str,
    /// The roles that may call it.
    pub roles: &'static [Role],
    /// Whether it changes something, so that the permitted calls are audited too.
    pub mutates: bool,
    /// Whether an agent's certificate may be over: true of renewal alone.
    pub expired_too: bool,
}

const COORDINATORS: &[Role] = &[Coordinator];
const READERS: &[Role] = &[Admin, Operator, Reader, Approver];
const OPERATORS: &[Role] = &[Admin, Operator];
const APPROVERS: &[Role] = &[Admin, Approver];
const ADMINS: &[Role] = &[Admin];
const AGENTS: &[Role] = &[Agent];
const CERTIFIED: &[Role] = &[Admin, Operator, Reader, EtcdBackup, Approver, Coordinator, Agent];
const ANYONE: &[Role] = &[Admin, Operator, Reader, EtcdBackup, Approver, Coordinator, Agent, Anonymous];

const fn reads(path: &'static str, roles: &'static [Role]) -> Rule {
    Rule { path, roles, mutates: false, expired_too: false }
}

const fn changes(path: &'static str, roles: &'static [Role]) -> Rule {
    Rule { path, roles, mutates: true, expired_too: false }
}

/// The table.
pub const RULES: &[Rule] = &[
    reads("slipway.agent.v1.AgentService/Describe", COORDINATORS),
    reads("slipway.agent.v1.AgentService/Watch", COORDINATORS),
    reads("slipway.agent.v1.AgentService/Check", COORDINATORS),
    changes("slipway.agent.v1.AgentService/StartOperation", COORDINATORS),
    reads("slipway.agent.v1.AgentService/WatchOperation", COORDINATORS),
    changes("slipway.agent.v1.AgentService/CancelOperation", COORDINATORS),
    changes("slipway.agent.v1.AgentService/RaiseFence", COORDINATORS),
    reads("slipway.agent.v1.AgentService/Query", COORDINATORS),
    // It changes nothing, but it reads every Secret: who was allowed to is recorded all the same.
    changes("slipway.agent.v1.AgentService/FetchSnapshot", COORDINATORS),
    reads("slipway.coordinator.v1.FlowService/ListFlows", READERS),
    reads("slipway.coordinator.v1.FlowService/PlanFlow", READERS),
    changes("slipway.coordinator.v1.FlowService/StartFlow", OPERATORS),
    reads("slipway.coordinator.v1.FlowService/ListRuns", READERS),
    reads("slipway.coordinator.v1.FlowService/GetRun", READERS),
    reads("slipway.coordinator.v1.FlowService/WatchRun", READERS),
    changes("slipway.coordinator.v1.FlowService/PauseRun", OPERATORS),
    changes("slipway.coordinator.v1.FlowService/ResumeRun", OPERATORS),
    changes("slipway.coordinator.v1.FlowService/AbortRun", OPERATORS),
    changes("slipway.coordinator.v1.FlowService/GiveUpRun", OPERATORS),
    changes("slipway.coordinator.v1.FlowService/ApproveRun", APPROVERS),
    reads("slipway.coordinator.v1.NodeService/ListNodes", READERS),
    reads("slipway.coordinator.v1.NodeService/GetNode", READERS),
    reads("slipway.coordinator.v1.NodeService/ListHosts", READERS),
    reads("slipway.coordinator.v1.EtcdService/GetEtcdStatus", READERS),
    changes("slipway.coordinator.v1.AdminService/CreateToken", ADMINS),
    changes("slipway.coordinator.v1.AdminService/CreateBootstrapToken", ADMINS),
    reads("slipway.coordinator.v1.AdminService/ListBootstrapTokens", READERS),
    changes("slipway.coordinator.v1.AdminService/DeleteBootstrapToken", ADMINS),
    reads("slipway.coordinator.v1.AdminService/Doctor", READERS),
    changes("slipway.enrol.v1.EnrolmentService/Enrol", ANYONE),
    Rule { path: "slipway.enrol.v1.EnrolmentService/Renew", roles: AGENTS, mutates: true, expired_too: true },
    reads("grpc.health.v1.Health/Check", CERTIFIED),
    reads("grpc.health.v1.Health/Watch", CERTIFIED),
    reads("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", CERTIFIED),
    reads("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", CERTIFIED),
];

/// The row of `path`; a leading slash, as HTTP has it, is no matter.
pub fn rule(path: &str) -> Option<&'static Rule> {
    let path = path.strip_prefix('/').unwrap_or(path);
    RULES.iter().find(|rule| rule.path == path)
}

/// Whether a caller of that role may call `path`.
pub fn authorise(path: &str, role: Role) -> Result<(), Coded> {
    let rule = rule(path).ok_or_else(|| unknown(path))?;
    if rule.roles.contains(&role) {
        return Ok(());
    }
    let who = rule.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    let call = rule.path;
    if role == Anonymous {
        let says = format!("{call} needs a client certificate, and none was shown");
        return Err(
            Coded::new(Code::AUTH_NO_CERTIFICATE, says).do_this(format!("call it with the certificate of: {who}"))
        );
    }
    Err(Coded::new(Code::AUTH_ROLE, format!("the role {role} may not call {call}"))
        .do_this(format!("these roles may: {who}")))
}

/// Whether a caller whose certificate is over may still call `path`.
pub fn authorise_expired(path: &str, role: Role) -> Result<(), Coded> {
    match rule(path) {
        Some(rule) if rule.expired_too => authorise(path, role),
        Some(rule) if rule.roles.contains(&Anonymous) => authorise(path, Anonymous),
        Some(_) => Err(Coded::new(Code::AUTH_EXPIRED, "the client certificate is over")
            .do_this("an agent renews it by itself; a person needs a new one")),
        None => Err(unknown(path)),
    }
}

fn unknown(path: &str) -> Coded {
    let path: String = path.chars().take(120).collect();
    Coded::new(Code::WIRE_BAD_REQUEST, format!("there is no call named {path:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use prost::Message;

    fn calls_in(descriptors: &[u8]) -> BTreeSet<String> {
        let files = prost_types::FileDescriptorSet::decode(descriptors).unwrap();
        let mut calls = BTreeSet::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    calls.insert(format!("{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        calls
    }

    fn served() -> BTreeSet<String> {
        let ours = calls_in(slipway_proto::DESCRIPTORS).into_iter().filter(|call| call.starts_with("slipway."));
        ours.chain(calls_in(tonic_health::pb::FILE_DESCRIPTOR_SET))
            .chain(calls_in(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET))
            .chain(calls_in(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET))
            .collect()
    }

    #[test]
    fn every_rpc_has_a_row_and_every_row_an_rpc() {
        let rows: BTreeSet<String> = RULES.iter().map(|rule| rule.path.to_owned()).collect();
        assert_eq!(rows.len(), RULES.len(), "a call stands twice in the table");
        assert!(rows.len() > 20, "the descriptors were not read");
        assert_eq!(rows, served());
    }

    #[test]
    fn only_a_coordinator_commands_agents() {
        for rule in RULES.iter().filter(|rule| rule.path.starts_with("slipway.agent.")) {
            for role in Role::ALL {
                assert_eq!(authorise(rule.path, role).is_ok(), role == Coordinator, "{role} at {}", rule.path);
            }
        }
    }

    #[test]
    fn readers_change_nothing_and_agents_only_enrol_and_renew() {
        for rule in RULES.iter().filter(|rule| rule.mutates && !rule.roles.contains(&Anonymous)) {
            assert!(authorise(rule.path, Reader).is_err(), "a reader may {}", rule.path);
            assert!(authorise(rule.path, EtcdBackup).is_err(), "etcd-backup may {}", rule.path);
            assert_eq!(authorise(rule.path, Agent).is_ok(), rule.path.ends_with("/Renew"), "{}", rule.path);
        }
        assert!(
            RULES
                .iter()
                .filter(|rule| rule.path.starts_with("slipway.coordinator."))
                .all(|rule| !rule.roles.contains(&Agent))
        );
    }

    #[test]
    fn each_refusal_has_its_code() {
        let code = |path, role| authorise(path, role).unwrap_err().code;
        assert_eq!(code("/slipway.coordinator.v1.FlowService/StartFlow", Anonymous), Code::AUTH_NO_CERTIFICATE);
        assert_eq!(code("slipway.coordinator.v1.FlowService/StartFlow", Reader), Code::AUTH_ROLE);
        assert_eq!(code("slipway.coordinator.v1.AdminService/CreateToken", Operator), Code::AUTH_ROLE);
        assert_eq!(code("slipway.coordinator.v1.FlowService/Nothing", Admin), Code::WIRE_BAD_REQUEST);
        assert_eq!(code("//slipway.enrol.v1.EnrolmentService/Enrol", Anonymous), Code::WIRE_BAD_REQUEST);
    }

    #[test]
    fn a_certificate_that_is_over_is_good_for_renewal_by_an_agent_alone() {
        for rule in RULES.iter().filter(|rule| !rule.roles.contains(&Anonymous)) {
            for role in Role::ALL {
                let may = role == Agent && rule.path == "slipway.enrol.v1.EnrolmentService/Renew";
                assert_eq!(authorise_expired(rule.path, role).is_ok(), may, "{role} at {}", rule.path);
            }
        }
    }
}
