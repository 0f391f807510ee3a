//! What can go wrong between us and the API server, sorted by what the caller has to do next: wait, look again, or ask a person.

use std::time::Duration;

use slipway_errors::{Code, Coded};

/// A failure of one request, with what was being done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kubeconfig is no way to a cluster.
    #[error("cannot use the kubeconfig {path}: {reason}")]
    Kubeconfig {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No answer, or one that only says "later". Whether a write took effect is not known.
    #[error("cannot {doing}: the API server does not answer ({reason})")]
    Unreachable {
        /// What was being done.
        doing: String,
        /// What came instead of an answer.
        reason: String,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The object changed, or is another one by now.
    #[error("cannot {doing}: {reason}")]
    Conflict {
        /// What was being done.
        doing: String,
        /// In the server's words.
        reason: String,
    },
    /// Our credentials do not allow it.
    #[error("cannot {doing}: {reason}")]
    Forbidden {
        /// What was being done.
        doing: String,
        /// In the server's words.
        reason: String,
    },
    /// There is no such object.
    #[error("cannot {doing}: it does not exist")]
    NotFound {
        /// What was being done.
        doing: String,
    },
    /// Any other refusal, such as that of a webhook.
    #[error("cannot {doing}: {reason} (HTTP {status})")]
    Refused {
        /// What was being done.
        doing: String,
        /// The HTTP status.
        status: u16,
        /// In the server's words.
        reason: String,
    },
    /// An object of our name is somebody else's.
    #[error("cannot {doing}: {what} is there already and is not ours")]
    Foreign {
        /// What was being done.
        doing: String,
        /// The object.
        what: String,
    },
    /// What is asked for needs the proof that a host is off.
    #[error("cannot {doing}: {why}")]
    Unproved {
        /// What was being done.
        doing: String,
        /// Why there is none.
        why: crate::Unproved,
    },
    /// The write gate is shut: nothing was sent.
    #[error("{0}")]
    Gate(Coded),
}

impl Error {
    /// True where the same request may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Conflict { .. })
    }

    /// True where the API server gave no answer of substance.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// How long the server asked to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Kubeconfig { .. } => Self::new(Code::KUBE_KUBECONFIG, message)
                .do_this("give a kubeconfig that `kubectl --kubeconfig FILE get nodes` accepts"),
            Error::Unreachable { .. } => Self::new(Code::KUBE_UNREACHABLE, message),
            Error::Conflict { .. } => Self::new(Code::KUBE_CONFLICT, message),
            Error::Forbidden { .. } => {
                Self::new(Code::KUBE_FORBIDDEN, message).do_this("bind the role that Slipway ships to this user")
            }
            Error::NotFound { .. } | Error::Refused { .. } => Self::new(Code::KUBE_REFUSED, message),
            Error::Foreign { .. } => Self::new(Code::DENIAL_FOREIGN, message)
                .do_this("look at that object; if it is a changed copy of ours, delete it"),
            Error::Unproved { why, .. } => Self { message, ..why.into() },
            Error::Gate(coded) => coded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_code_and_only_waiting_helps_the_retryable_ones() {
        let doing = || "list the nodes".to_owned();
        let reason = || "because".to_owned();
        let rows = [
            (Error::Kubeconfig { path: "/x".into(), reason: reason() }, Code::KUBE_KUBECONFIG, false),
            (Error::Unreachable { doing: doing(), reason: reason(), retry_after: None }, Code::KUBE_UNREACHABLE, true),
            (Error::Conflict { doing: doing(), reason: reason() }, Code::KUBE_CONFLICT, true),
            (Error::Forbidden { doing: doing(), reason: reason() }, Code::KUBE_FORBIDDEN, false),
            (Error::NotFound { doing: doing() }, Code::KUBE_REFUSED, false),
            (Error::Refused { doing: doing(), status: 422, reason: reason() }, Code::KUBE_REFUSED, false),
            (Error::Foreign { doing: doing(), what: "x".into() }, Code::DENIAL_FOREIGN, false),
            (
                Error::Unproved {
                    doing: doing(),
                    why: crate::Unproved { node: slipway_types::NodeName::new("w2").unwrap(), reason: reason() },
                },
                Code::FENCING_UNPROVED,
                false,
            ),
            (Error::Gate(Coded::new(Code::STORE_STALE_TERM, "no leader")), Code::STORE_STALE_TERM, false),
        ];
        for (error, code, retryable) in rows {
            assert_eq!(error.is_retryable(), retryable, "{error:?}");
            assert_eq!(Coded::from(error).code, code);
        }
    }
}
