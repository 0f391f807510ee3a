//! How the cluster's own etcd stands, put together from what the agents of its masters say. No agent is believed about a member that is not
//! its own: each list is etcd's, each member answers for itself, and the list that counts is one that a quorum agreed on.

mod ask;
mod read;

pub use ask::{Witness, agreed, ask_one, glance, look};
pub use read::{EtcdView, members};
