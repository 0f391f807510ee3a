//! Who may write at this moment. Kubernetes knows no term of a leadership, so whoever leads must be sure of it just before each write; this
//! is the question that the coordinator answers.

use async_trait::async_trait;
use slipway_errors::Coded;

/// Asked before every single write to the cluster.
#[async_trait]
pub trait WriteGate: Send + Sync {
    /// `Ok` while this process may write. The error is handed to the caller as it is, and nothing is sent.
    async fn allowed(&self) -> Result<(), Coded>;
}

/// Always open: for tests, and for tools that run alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenGate;

#[async_trait]
impl WriteGate for OpenGate {
    async fn allowed(&self) -> Result<(), Coded> {
        Ok(())
    }
}
