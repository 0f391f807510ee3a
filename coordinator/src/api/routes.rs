//! The services of one coordinator, with their limits.

use std::sync::Arc;

use slipway_net::{Audit, MAX_ANSWER, MAX_MESSAGE};
use slipway_proto::coordinator::admin_service_server::AdminServiceServer;
use slipway_proto::coordinator::etcd_service_server::EtcdServiceServer;
use slipway_proto::coordinator::flow_service_server::FlowServiceServer;
use slipway_proto::coordinator::node_service_server::NodeServiceServer;
use slipway_proto::enrol::enrolment_service_server::EnrolmentServiceServer;
use tonic::service::Routes;

use super::admin::AdminApi;
use super::enrol::EnrolmentApi;
use super::etcd::EtcdApi;
use super::flow::FlowApi;
use super::node::NodeApi;
use crate::enrolment::Enrolment;
use crate::runs::Runs;
use crate::world::World;

/// What the services work with.
pub struct Parts {
    /// The world of the flows.
    pub world: Arc<World>,
    /// The runs.
    pub runs: Runs,
    /// Tokens and certificates.
    pub enrolment: Arc<Enrolment>,
    /// By which newcomers know the root.
    pub ca_hash: String,
    /// Where refusals of the services themselves are recorded.
    pub audit: Arc<dyn Audit>,
}

macro_rules! limited {
    ($server:expr) => {
        $server.max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_ANSWER)
    };
}

/// Every service, ready to be served.
pub fn routes(parts: &Parts) -> Result<Routes, tonic_reflection::server::Error> {
    let Parts { world, runs, enrolment, ca_hash, audit } = parts;
    let newcomers = EnrolmentApi { enrolment: enrolment.clone(), audit: audit.clone() };
    let (health, health_service) = tonic_health::server::health_reporter();
    drop(health);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(slipway_proto::DESCRIPTORS)
        .build_v1()?;
    let admin =
        AdminApi { enrolment: enrolment.clone(), world: world.clone(), runs: runs.clone(), ca_hash: ca_hash.clone() };
    Ok(Routes::new(health_service)
        .add_service(reflection)
        .add_service(limited!(FlowServiceServer::new(FlowApi { world: world.clone(), runs: runs.clone() })))
        .add_service(limited!(NodeServiceServer::new(NodeApi { world: world.clone(), runs: runs.clone() })))
        .add_service(limited!(EtcdServiceServer::new(EtcdApi { world: world.clone() })))
        .add_service(limited!(AdminServiceServer::new(admin)))
        .add_service(limited!(EnrolmentServiceServer::new(newcomers))))
}
