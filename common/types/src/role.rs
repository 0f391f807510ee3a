//! Two kinds of role: what a caller may do (in its certificate), and what a node is for (in its labels).

use serde::{Deserialize, Serialize};

/// What a caller may do. It stands in the URI SAN of the caller's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything an operator may, and who may speak at all.
    Admin,
    /// Starts, pauses and aborts runs.
    Operator,
    /// Looks, changes nothing.
    Reader,
    /// Takes etcd backups, nothing else.
    EtcdBackup,
    /// Approves the runs that others asked for.
    Approver,
    /// A coordinator: the only one that agents obey.
    Coordinator,
    /// An agent, speaking for its own host alone.
    Agent,
    /// Whoever came without a certificate.
    Anonymous,
}

impl Role {
    /// Every role, for tables and their tests.
    pub const ALL: [Self; 8] = [
        Self::Admin,
        Self::Operator,
        Self::Reader,
        Self::EtcdBackup,
        Self::Approver,
        Self::Coordinator,
        Self::Agent,
        Self::Anonymous,
    ];

    /// As it stands in certificates and on screens.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Reader => "reader",
            Self::EtcdBackup => "etcd-backup",
            Self::Approver => "approver",
            Self::Coordinator => "coordinator",
            Self::Agent => "agent",
            Self::Anonymous => "anonymous",
        }
    }

    /// The role of that name. `anonymous` is no name that a certificate could carry.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text && *role != Self::Anonymous)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeRole {
    /// Runs the API server and, with kubeadm's default, an etcd member.
    ControlPlane,
    /// Runs workloads alone.
    Worker,
}

impl std::fmt::Display for NodeRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_certificate_can_name_itself_anonymous() {
        assert_eq!(Role::parse("anonymous"), None);
        for role in Role::ALL.into_iter().filter(|role| *role != Role::Anonymous) {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
    }
}
