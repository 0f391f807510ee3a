//! The hosts: who they are (kept in the store) and how they were last heard (kept in memory; heartbeats are never stored).

mod record;
mod view;
mod watcher;

pub use record::{HostRecord, HostState, Hosts};
pub use view::{Fleet, HostView};
pub use watcher::Watcher;
