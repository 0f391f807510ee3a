//! Actions that also start a program, as the peer does for every task: so that nobody wins only because it starts none.

use std::path::Path;
use std::process::{Command, Stdio};

use async_trait::async_trait;
use slipway_agent::core::Setup;
use slipway_errors::{Code, Coded};

use crate::works::{First, preceded};

/// What both sides start.
pub(super) const PROGRAM: &str = "/bin/true";

/// An agent whose every action starts [`PROGRAM`] besides.
pub(super) fn spawning(setup: Setup) -> Setup {
    preceded(setup, Spawns)
}

#[derive(Debug)]
struct Spawns;

#[async_trait]
impl First for Spawns {
    async fn first(&self) -> Result<(), Coded> {
        let started = tokio::task::spawn_blocking(|| start(Path::new(PROGRAM))).await;
        started
            .map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))?
            .map_err(|error| Coded::new(Code::INTERNAL, format!("{PROGRAM}: {error}")))
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
