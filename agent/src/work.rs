//! What the core needs to know of an action. The core (fence, journal, one operation at a time) is the same whatever the action does, so it
//! sees actions through this small seam: the real ones in [`on_host`], scripted ones in tests.

mod looks;
pub mod on_host;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_proto::types::{Action, Change, Obstacle};
use slipway_types::Secret;
use tokio_util::sync::CancellationToken;

use crate::progress::Progress;

/// What a look at the host found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Nothing is to be done.
    pub satisfied: bool,
    /// What would be changed.
    pub changes: Vec<Change>,
    /// Why it would be refused.
    pub obstacles: Vec<Obstacle>,
}

/// What came of an action that ended well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Nothing had to be done.
    pub already_true: bool,
    /// What was changed.
    pub changes: Vec<Change>,
    /// Comparisons and proofs, a line each.
    pub record: Vec<String>,
}

/// An operation, as an action sees it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// `run/step/attempt`. Long commands are named by it, so that they are found again.
    pub id: String,
    /// The most that the action may take.
    pub limit: Duration,
    /// Where it tells how far it is.
    pub progress: Arc<Progress>,
    /// Somebody wants it to stop where it safely can.
    pub cancelled: CancellationToken,
    /// What came with the command and is not written down; gone after a restart.
    pub secret: Option<Secret>,
}

/// One action with its arguments, bound to a host.
#[async_trait]
pub trait Work: Send + Sync {
    /// The action's name.
    fn name(&self) -> &'static str;
    /// The commands that it stands for.
    fn by_hand(&self) -> Vec<String>;
    /// It changes nothing, whatever it finds: after a crash it is simply done again.
    fn only_looks(&self) -> bool {
        false
    }
    /// Looks, changes nothing.
    async fn check(&self) -> Result<View, Coded>;
    /// Brings the host into the wanted state, and tells after another look whether that was reached. Called again for an operation whose long
    /// command still exists, it attaches to that one.
    async fn apply(&self, operation: &Operation) -> Result<Applied, Coded>;
    /// Whether a long command of that operation is still known to the host, running or ended.
    async fn left_running(&self, operation_id: &str) -> Result<bool, Coded>;
    /// Called when the end is on the disk: what was kept to find the long command again may go.
    async fn settled(&self, operation_id: &str);
}

/// Makes work of what came over the wire.
pub trait Works: Send + Sync + std::fmt::Debug {
    /// The work of `action`, every argument checked.
    fn work_for(&self, action: Action) -> Result<Box<dyn Work>, Coded>;
}
