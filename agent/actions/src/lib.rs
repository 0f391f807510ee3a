//! What a coordinator may ask of a host: one file per action, each a check (what would change, what stands in the way, is it done already)
//! and an apply that checks again, does, and checks what it did. The list is closed: an action that is not here cannot be asked for.

mod add_etcd_learner;
mod clean_cni;
mod clean_files;
mod clean_netfilter;
mod error;
mod install_etcd_unit;
mod kept;
mod mask_kubelet;
mod membership;
mod move_etcd_leader;
mod perform;
mod promote_etcd_learner;
mod remove_etcd_member;
mod reset_kubeadm;
mod running;
mod scan_leftovers;
mod set_api_server;
mod set_etcd_servers;
mod start_service;
mod stop_service;
mod unmask_kubelet;
mod wipe_etcd_data;
mod wire;

pub use add_etcd_learner::AddEtcdLearner;
pub use clean_cni::CleanCni;
pub use clean_files::CleanFiles;
pub use clean_netfilter::CleanNetfilter;
pub use error::Error;
pub use install_etcd_unit::InstallEtcdUnit;
pub use mask_kubelet::MaskKubelet;
pub use move_etcd_leader::MoveEtcdLeader;
pub use perform::{Applied, Check, Done, OperationContext, Perform, Progress};
pub use promote_etcd_learner::PromoteEtcdLearner;
pub use remove_etcd_member::RemoveEtcdMember;
pub use reset_kubeadm::ResetKubeadm;
pub use scan_leftovers::ScanLeftovers;
pub use set_api_server::SetApiServer;
pub use set_etcd_servers::SetEtcdServers;
pub use start_service::StartService;
pub use stop_service::StopService;
pub use unmask_kubelet::UnmaskKubelet;
pub use wipe_etcd_data::WipeEtcdData;
pub use wire::from_wire;
