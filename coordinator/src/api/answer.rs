//! How errors leave: every one coded, with the gRPC status that fits its kind.

use slipway_errors::{Code, Coded};
use slipway_proto::status::to_status;
use tonic::Status;

/// The status of a coded error.
pub(super) fn refuse(error: &Coded) -> Status {
    to_status(kind(error.code), error)
}

fn kind(code: Code) -> tonic::Code {
    let family = code.as_str().split('-').nth(1).unwrap_or_default();
    match (family, code) {
        (_, Code::NODE_UNKNOWN | Code::RUN_UNKNOWN | Code::RUN_FLOW_UNKNOWN) => tonic::Code::NotFound,
        (_, Code::NODE_NAMED_TWICE | Code::RUN_BAD_PARAMETER | Code::WIRE_BAD_REQUEST) => tonic::Code::InvalidArgument,
        (_, Code::AUTH_NO_CERTIFICATE) => tonic::Code::Unauthenticated,
        (
            _,
            Code::KUBE_UNREACHABLE
            | Code::STORE_FULL
            | Code::STORE_IO
            | Code::STORE_AWAY
            | Code::LEADER_ELSEWHERE
            | Code::WIRE_UNREACHABLE
            | Code::WIRE_DEADLINE,
        ) => tonic::Code::Unavailable,
        (_, Code::NODE_UNREACHABLE) => tonic::Code::FailedPrecondition,
        ("AUTH" | "ENROL", _) => tonic::Code::PermissionDenied,
        ("INTERNAL", _) | (_, Code::STORE_CORRUPT) => tonic::Code::Internal,
        _ => tonic::Code::FailedPrecondition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::status::from_status;

    #[test]
    fn every_code_leaves_as_itself() {
        for code in Code::ALL {
            let error = Coded::new(*code, "a sentence");
            assert_eq!(from_status(&refuse(&error)), error);
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_unavailable() {
        assert_eq!(kind(Code::KUBE_UNREACHABLE), tonic::Code::Unavailable);
        assert_eq!(kind(Code::DRAIN_NEEDS_FLAG), tonic::Code::FailedPrecondition);
        assert_eq!(kind(Code::ENROL_TOKEN_USED), tonic::Code::PermissionDenied);
    }
}
