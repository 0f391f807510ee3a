//! Snapshots of etcd: fetched from an agent, checked, encrypted, and kept off the node that they come from. What fails any check is thrown away
//! and never listed: a backup that cannot be restored is worse than none, since somebody counts on it.

mod fetch;
mod keep;
mod verify;

pub use fetch::Backups;
pub use keep::{Kept, Shelf};
pub use verify::{Damage, Verified, Verifier};
