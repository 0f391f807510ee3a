//! What can happen in a run. The list is the audit log, the progress stream and the recovery log at once, so it is written down once, here,
//! and read by the engine, the API, the CLI and whoever checks the chain.

mod entry;
mod event;

pub use entry::{Actor, Entry};
pub use event::{Effect, Event, RunState};
