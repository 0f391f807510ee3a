//! How a coded error crosses the wire: as `ErrorInfo` beside the gRPC status, so that a client shows the same code, sentence and way out.

use std::collections::HashMap;
use std::error::Error as _;

use slipway_errors::{Code, Coded};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

const DOMAIN: &str = "slipway";
const WAY_OUT: &str = "way_out";

/// Where the coordinator is that leads, beside the refusal of one that does not.
pub const LEADER: &str = "leader";

/// The status that carries `error`.
pub fn to_status(grpc: tonic::Code, error: &Coded) -> Status {
    to_status_with(grpc, error, &[])
}

/// The status that carries `error`, and more for machines.
pub fn to_status_with(grpc: tonic::Code, error: &Coded, more: &[(&str, &str)]) -> Status {
    let way_out = error.way_out.iter().map(|way| (WAY_OUT, way.as_str()));
    let more: HashMap<String, String> =
        way_out.chain(more.iter().copied()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let details = ErrorDetails::with_error_info(error.code.as_str(), DOMAIN, more);
    Status::with_error_details(grpc, error.message.clone(), details)
}

/// The leader that the status names.
pub fn leader_in(status: &Status) -> Option<String> {
    status.get_error_details().error_info()?.metadata.get(LEADER).cloned()
}

/// The coded error in `status`, or what a bare status stands for.
pub fn from_status(status: &Status) -> Coded {
    if let Some(info) = status.get_error_details().error_info()
        && let Some(code) = Code::parse(&info.reason)
    {
        let way_out = info.metadata.get(WAY_OUT).cloned();
        return Coded { code, message: status.message().to_owned(), way_out };
    }
    // A channel that connects late hides why it could not among the sources.
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(coded) = error.downcast_ref::<Coded>() {
            return coded.clone();
        }
        if let Some(inner) = error.downcast_ref::<Status>()
            && inner.get_error_details().error_info().is_some()
        {
            return from_status(inner);
        }
        source = error.source();
    }
    // A tonic client's own deadline surfaces as Cancelled.
    let code = match status.code() {
        tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => Code::WIRE_DEADLINE,
        tonic::Code::Unavailable | tonic::Code::Unknown => Code::WIRE_UNREACHABLE,
        tonic::Code::ResourceExhausted | tonic::Code::OutOfRange => Code::WIRE_TOO_LARGE,
        tonic::Code::Unauthenticated => Code::AUTH_NO_CERTIFICATE,
        tonic::Code::PermissionDenied => Code::AUTH_ROLE,
        // A connection that ended in the middle of a call, as it does when whoever listens there comes to its end. What a service calls internal
        // comes without a source.
        tonic::Code::Internal if status.source().is_some() => Code::WIRE_UNREACHABLE,
        tonic::Code::Internal => Code::INTERNAL,
        _ => Code::WIRE_BAD_REQUEST,
    };
    Coded::new(code, if status.message().is_empty() { code.title() } else { status.message() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coded_error_comes_out_as_it_went_in() {
        let error =
            Coded::new(Code::FENCE_OLD_TERM, "term 3 is over, 4 leads").do_this("nothing: the new leader goes on");
        assert_eq!(from_status(&to_status(tonic::Code::FailedPrecondition, &error)), error);
    }

    #[test]
    fn a_connection_that_ended_is_no_refusal_whatever_its_last_word_was() {
        let mut ended = Status::internal("h2 protocol error: http2 error");
        assert_eq!(from_status(&ended).code, Code::INTERNAL);
        ended.set_source(std::sync::Arc::new(std::io::Error::other(
            "connection error received: not a result of an error",
        )));
        assert_eq!(from_status(&ended).code, Code::WIRE_UNREACHABLE);
    }

    #[test]
    fn a_lost_deadline_is_no_refusal() {
        assert_eq!(from_status(&Status::cancelled("Timeout expired")).code, Code::WIRE_DEADLINE);
    }
}
