//! The steps that flows are made of, one idea each. A step asks the world before and after it acts; none assumes that what it sent arrived.

mod cordon;
mod delete_node;
mod drain;
mod fail;
mod host_action;
mod node_is_gone;
mod release_host;
mod uncordon;
mod volumes_detached;

pub use cordon::Cordon;
pub use delete_node::DeleteNode;
pub use drain::Drain;
pub use host_action::{HostAction, HostTarget};
pub use node_is_gone::NodeIsGone;
pub use release_host::ReleaseHost;
pub use uncordon::Uncordon;
pub use volumes_detached::VolumesDetached;
