//! What a coordinator may ask of a host: one file per action, each a check (what would change, what stands in the way, is it done already)
//! and an apply that checks again, does, and checks what it did. The list is closed: an action that is not here cannot be asked for.

mod clean_cni;
mod clean_files;
mod clean_netfilter;
mod error;
mod mask_kubelet;
mod perform;
mod reset_kubeadm;
mod running;
mod scan_leftovers;
mod stop_service;
mod unmask_kubelet;
mod wire;

pub use clean_cni::CleanCni;
pub use clean_files::CleanFiles;
pub use clean_netfilter::CleanNetfilter;
pub use error::Error;
pub use mask_kubelet::MaskKubelet;
pub use perform::{Applied, Check, Done, OperationContext, Perform, Progress};
pub use reset_kubeadm::ResetKubeadm;
pub use scan_leftovers::ScanLeftovers;
pub use stop_service::StopService;
pub use unmask_kubelet::UnmaskKubelet;
pub use wire::from_wire;
