//! Actions that also start a program, as the peer does for every task: so that nobody wins only because it starts none.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use slipway_agent::core::Setup;
use slipway_agent::work::{Applied, Operation, View, Work, Works};
use slipway_errors::{Code, Coded};
use slipway_proto::types::Action;

/// What both sides start.
pub(super) const PROGRAM: &str = "/bin/true";

/// An agent whose every action starts [`PROGRAM`] besides.
pub(super) fn spawning(setup: Setup) -> Setup {
    let works = Arc::new(Spawning(setup.works.clone()));
    Setup { works, ..setup }
}

#[derive(Debug)]
struct Spawning(Arc<dyn Works>);

struct AndSpawns(Box<dyn Work>);

impl Works for Spawning {
    fn work_for(&self, action: Action) -> Result<Box<dyn Work>, Coded> {
        Ok(Box::new(AndSpawns(self.0.work_for(action)?)))
    }
}

#[async_trait]
impl Work for AndSpawns {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn by_hand(&self) -> Vec<String> {
        self.0.by_hand()
    }

    async fn check(&self) -> Result<View, Coded> {
        self.0.check().await
    }

    async fn apply(&self, operation: &Operation) -> Result<Applied, Coded> {
        let started = tokio::task::spawn_blocking(|| start(Path::new(PROGRAM))).await;
        started
            .map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))?
            .map_err(|error| Coded::new(Code::INTERNAL, format!("{PROGRAM}: {error}")))?;
        self.0.apply(operation).await
    }

    async fn left_running(&self, operation_id: &str) -> Result<bool, Coded> {
        self.0.left_running(operation_id).await
    }

    async fn settled(&self, operation_id: &str) {
        self.0.settled(operation_id).await;
    }
}

/// Runs a program to its end.
pub(super) fn start(program: &Path) -> std::io::Result<()> {
    let status = Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("it failed ({status})"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_no_success() {
        assert!(start(Path::new(PROGRAM)).is_ok());
        assert!(start(Path::new("/bin/false")).is_err());
    }
}
