//! Enrolment and renewal, as hosts ask for them.

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_proto::enrol::enrolment_service_server::EnrolmentService;
use slipway_proto::enrol::{EnrolRequest, EnrolResponse, RenewRequest, RenewResponse};
use tonic::{Request, Response, Status};

use super::answer::refuse;
use crate::enrolment::Enrolment;

/// The service.
pub(super) struct EnrolmentApi {
    pub(super) enrolment: Arc<Enrolment>,
}

#[tonic::async_trait]
impl EnrolmentService for EnrolmentApi {
    async fn enrol(&self, request: Request<EnrolRequest>) -> Result<Response<EnrolResponse>, Status> {
        let request = request.into_inner();
        if request.address.parse::<std::net::SocketAddr>().is_err() {
            let error = Coded::new(Code::WIRE_BAD_REQUEST, format!("{:?} is no address such as 10.0.0.2:7443", request.address));
            return Err(refuse(&error));
        }
        self.enrolment.enrol(&request).await.map(Response::new).map_err(|error| refuse(&error))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<RenewResponse>, Status> {
        let peer = slipway_net::identity(&request)?.clone();
        let answer = self.enrolment.renew(&peer, &request.into_inner().csr_der).await;
        answer.map(Response::new).map_err(|error| refuse(&error))
    }
}
