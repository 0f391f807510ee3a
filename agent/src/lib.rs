//! How a host is asked: gRPC service, operation journal, fence.

pub mod core;
pub mod disk;
pub mod fence;
pub mod follow;
pub mod heartbeat;
pub mod journal;
pub mod operations;
pub mod progress;
pub mod sampler;
pub mod state;
pub mod witness;
pub mod work;
