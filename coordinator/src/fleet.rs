//! The hosts: who they are (kept in the store) and how they were last heard (kept in memory; of what
//! heartbeats say, only what a kubelet speaks with is stored).

mod hearing;
mod keeper;
mod record;
mod teller;
mod view;
mod watcher;

pub use hearing::{Hearing, Line};
pub use record::{HostRecord, HostState, Hosts};
pub use view::{Fleet, HostView, kubelet_credential};
pub use watcher::Watcher;
