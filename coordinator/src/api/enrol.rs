//! Enrolment and renewal, as hosts ask for them. Who may call is decided before; who is turned away for his token is recorded here, since
//! anybody may knock and only the record shows that somebody tried.

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_net::{Audit, AuditEvent, Peer};
use slipway_proto::enrol::enrolment_service_server::EnrolmentService;
use slipway_proto::enrol::{EnrolRequest, EnrolResponse, RenewRequest, RenewResponse};
use slipway_types::Timestamp;
use tonic::{Request, Response, Status};

use super::answer::refuse;
use crate::enrolment::Enrolment;

const ENROL: &str = "/slipway.enrol.v1.EnrolmentService/Enrol";
const RENEW: &str = "/slipway.enrol.v1.EnrolmentService/Renew";

/// The service.
pub(super) struct EnrolmentApi {
    pub(super) enrolment: Arc<Enrolment>,
    pub(super) audit: Arc<dyn Audit>,
}

impl EnrolmentApi {
    fn refused(&self, peer: Option<&Peer>, path: &str, error: &Coded) -> Status {
        self.audit.note(refusal(self.enrolment.clock.now(), peer, path, error));
        refuse(error)
    }
}

fn refusal(at: Timestamp, peer: Option<&Peer>, path: &str, error: &Coded) -> AuditEvent {
    AuditEvent {
        at,
        peer: peer.map_or_else(|| "unknown".to_owned(), ToString::to_string),
        path: path.to_owned(),
        code: Some(error.code.to_string()),
        says: error.message.clone(),
    }
}

#[tonic::async_trait]
impl EnrolmentService for EnrolmentApi {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let peer = slipway_net::caller(&request).ok().cloned();
        let request = request.into_inner();
        if request.address.parse::<std::net::SocketAddr>().is_err() {
            let error = Coded::new(
                Code::WIRE_BAD_REQUEST,
                format!("{:?} is no address such as 10.0.0.2:7443", request.address),
            );
            return Err(self.refused(peer.as_ref(), ENROL, &error));
        }
        let answer = self.enrolment.enrol(&request).await;
        answer.map(Response::new).map_err(|error| self.refused(peer.as_ref(), ENROL, &error))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let peer = slipway_net::caller(&request)?.clone();
        let identity = slipway_net::identity(&request)?.clone();
        let answer = self.enrolment.renew(&identity, &request.into_inner().csr_der).await;
        answer.map(Response::new).map_err(|error| self.refused(Some(&peer), RENEW, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_recorded_with_its_code_and_where_it_came_from() {
        let peer = Peer::anonymous("10.0.0.9:4711".parse().unwrap());
        let error = Coded::new(Code::ENROL_TOKEN_USED, "the enrolment token t1 was used already");
        let event = refusal(Timestamp::UNIX_EPOCH, Some(&peer), ENROL, &error);
        assert_eq!(event.code.as_deref(), Some("SLIP-ENROL-002"));
        assert_eq!((event.peer.as_str(), event.path.as_str()), ("anonymous at 10.0.0.9:4711", ENROL));
        assert_eq!(event.says, error.message);
    }

    #[test]
    fn the_paths_are_those_of_the_wire() {
        for path in [ENROL, RENEW] {
            assert!(slipway_identity::allow::rule(path).is_some(), "{path}");
        }
    }
}
