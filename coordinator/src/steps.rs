//! The steps that flows are made of, one idea each. A step asks the world before and after it acts; none assumes that what it sent arrived.

mod canary_holds;
mod cordon;
mod delete_node;
mod drain;
mod etcd_is_whole;
mod etcd_keeps_quorum;
mod fail;
mod host_action;
mod move_etcd_leader;
mod nobody_is_left_behind;
mod node_is_gone;
mod release_host;
mod remove_etcd_member;
mod snapshot_etcd;
mod uncordon;
mod vip_is_elsewhere;
mod volumes_detached;

pub use canary_holds::CanaryHolds;
pub use cordon::Cordon;
pub use delete_node::DeleteNode;
pub use drain::Drain;
pub use etcd_is_whole::EtcdIsWhole;
pub use etcd_keeps_quorum::{Consent, EtcdKeepsQuorum};
pub use host_action::{HostAction, HostTarget};
pub use move_etcd_leader::MoveEtcdLeader;
pub use nobody_is_left_behind::NobodyIsLeftBehind;
pub use node_is_gone::NodeIsGone;
pub use release_host::ReleaseHost;
pub use remove_etcd_member::RemoveEtcdMember;
pub use snapshot_etcd::SnapshotEtcd;
pub use uncordon::Uncordon;
pub use vip_is_elsewhere::VipIsElsewhere;
pub use volumes_detached::VolumesDetached;
