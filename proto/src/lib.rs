//! What is said on the wire: the types generated from `slipway/**/*.proto`, and how errors and parameters cross it.

pub mod params;
pub mod status;

#[expect(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    reason = "generated; the .proto files carry the words"
)]
mod generated {
    pub mod runtime {
        pub mod v1 {
            tonic::include_proto!("runtime.v1");
        }
    }
    pub mod slipway {
        pub mod r#type {
            pub mod v1 {
                tonic::include_proto!("slipway.r#type.v1");
            }
        }
        pub mod agent {
            pub mod v1 {
                tonic::include_proto!("slipway.agent.v1");
            }
        }
        pub mod coordinator {
            pub mod v1 {
                tonic::include_proto!("slipway.coordinator.v1");
            }
        }
        pub mod enrol {
            pub mod v1 {
                tonic::include_proto!("slipway.enrol.v1");
            }
        }
    }
}

pub use generated::runtime::v1 as cri;
pub use generated::slipway::agent::v1 as agent;
pub use generated::slipway::coordinator::v1 as coordinator;
pub use generated::slipway::enrol::v1 as enrol;
pub use generated::slipway::r#type::v1 as types;

/// Every descriptor, for gRPC reflection and for the test that each RPC has a rule in the allow-table.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

impl std::fmt::Debug for coordinator::CreateBootstrapTokenResponse {
    /// All but the command, which holds the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreateBootstrapTokenResponse")
            .field("id", &self.id)
            .field("expires_ms", &self.expires_ms)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for agent::StartOperationRequest {
    /// All but the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartOperationRequest")
            .field("operation_id", &self.operation_id)
            .field("target", &self.target)
            .field("fence", &self.fence)
            .field("not_after_ms", &self.not_after_ms)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

impl From<slipway_types::Fence> for types::Fence {
    fn from(fence: slipway_types::Fence) -> Self {
        Self { lineage: fence.lineage.0, term: fence.term.0, holder: fence.holder }
    }
}

impl From<types::Fence> for slipway_types::Fence {
    fn from(fence: types::Fence) -> Self {
        Self {
            lineage: slipway_types::Lineage(fence.lineage),
            term: slipway_types::Term(fence.term),
            holder: fence.holder,
        }
    }
}
