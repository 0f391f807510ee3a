//! The nouns that every part of Slipway shares. They live in one small crate without tokio or tonic, so that pure code (plans, budgets,
//! cleanup planning) can use them and be tested with plain data.

mod clock;
mod fence;
mod ids;
mod listed;
mod names;
mod role;
pub mod secret;
mod told;
mod version;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use fence::{Fence, FenceOrder, Lineage, Term};
pub use ids::{HostId, IdGen, OperationId, RandomIds, RunId, SequentialIds, StepId};
pub use listed::listed;
pub use names::{InvalidName, NodeName};
pub use role::{NodeRole, Role};
pub use secret::Secret;
pub use told::without_credentials;
pub use version::{InvalidVersion, KubernetesVersion};
