//! For administrators: tokens of both kinds, and the doctor.

use std::sync::Arc;
use std::time::Duration;

use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::admin_service_server::AdminService;
use tonic::{Request, Response, Status};

use super::answer::refuse;
use crate::bootstrap_tokens;
use crate::enrolment::Enrolment;
use crate::runs::Runs;
use crate::world::World;

/// The service.
pub(super) struct AdminApi {
    pub(super) enrolment: Arc<Enrolment>,
    pub(super) world: Arc<World>,
    pub(super) runs: Runs,
    pub(super) ca_hash: String,
}

#[tonic::async_trait]
impl AdminService for AdminApi {
    async fn create_token(
        &self,
        request: Request<wire::CreateTokenRequest>,
    ) -> Result<Response<wire::CreateTokenResponse>, Status> {
        let request = request.into_inner();
        let ttl = Duration::from_secs(request.ttl_seconds.into());
        let (token, record) =
            self.enrolment.mint(&request.host, &request.address, ttl).await.map_err(|error| refuse(&error))?;
        Ok(Response::new(wire::CreateTokenResponse {
            token: token.reveal(),
            ca_hash: self.ca_hash.clone(),
            expires_ms: record.expires_ms,
        }))
    }

    async fn create_bootstrap_token(
        &self,
        request: Request<wire::CreateBootstrapTokenRequest>,
    ) -> Result<Response<wire::CreateBootstrapTokenResponse>, Status> {
        let who = slipway_net::caller(&request)?.identity.as_ref().map(|who| format!("{}/{}", who.role, who.id));
        let made = bootstrap_tokens::create(&self.world, request.get_ref(), &who.unwrap_or_default()).await;
        made.map(Response::new).map_err(|error| refuse(&error))
    }

    async fn list_bootstrap_tokens(
        &self,
        _: Request<wire::ListBootstrapTokensRequest>,
    ) -> Result<Response<wire::ListBootstrapTokensResponse>, Status> {
        let tokens = bootstrap_tokens::list(&self.world).await.map_err(|error| refuse(&error))?;
        Ok(Response::new(wire::ListBootstrapTokensResponse { tokens }))
    }

    async fn delete_bootstrap_token(
        &self,
        request: Request<wire::DeleteBootstrapTokenRequest>,
    ) -> Result<Response<wire::DeleteBootstrapTokenResponse>, Status> {
        let deleted = bootstrap_tokens::delete(&self.world, &self.runs, request.get_ref()).await;
        deleted.map_err(|error| refuse(&error))?;
        Ok(Response::new(wire::DeleteBootstrapTokenResponse {}))
    }

    async fn doctor(&self, _: Request<wire::DoctorRequest>) -> Result<Response<wire::DoctorResponse>, Status> {
        Ok(Response::new(wire::DoctorResponse { findings: crate::doctor::examine(&self.world, &self.runs).await }))
    }
}
