//! How a host is asked: gRPC service, operation journal, fence.

pub mod args;
pub mod core;
pub mod daemon;
pub mod disk;
pub mod enrol;
pub mod enrolled;
pub mod exposition;
pub mod fence;
pub mod follow;
pub mod heartbeat;
pub mod journal;
pub mod local;
pub mod machine;
pub mod operations;
pub mod outputs;
pub mod progress;
pub mod questions;
pub mod renew;
pub mod sampler;
pub mod service;
pub mod settings;
pub mod snapshot;
pub mod state;
pub mod supervisor;
pub mod witness;
pub mod work;
