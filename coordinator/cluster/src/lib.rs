//! What the cluster says, and the few things we ask of it: nodes, cordons, drains, volumes, what is left of a node. No type of the Kubernetes
//! client leaves this crate, so that its yearly majors stay our business alone; every write is conditional, and asks the [`WriteGate`] first.

mod api;
mod bootstrap_token;
mod budget;
mod canary;
pub mod capacity;
mod certificates;
mod classify;
mod cluster_info;
mod config_maps;
pub mod conformance;
mod connect;
pub mod cordon;
mod denial;
mod drain;
mod error;
pub mod etcd;
mod failover;
pub mod fake;
mod fencing;
mod follow;
mod gate;
mod kubeadm_config;
mod kubelet_request;
mod leaders;
mod marks;
mod node;
mod nodes;
mod pod;
mod pods;
mod remains;
mod reserve;
mod selector;
mod status;
mod sweep;
mod volumes;

pub use api::{ClusterApi, REQUEST_DEADLINE, ServerVersion};
pub use bootstrap_token::BootstrapToken;
pub use budget::{
    Budget, BudgetRef, BudgetRule, Impasse, ImpasseKind, Share, blocking, impasses, refusal as impasse_refusal,
};
pub use canary::{CANARY_NAMESPACE, Canary, NewCanary};
pub use certificates::UploadedCertificates;
pub use classify::{DaemonSets, DrainFlags, Flag, LeaveReason, Verdict, classify};
pub use cluster_info::{ClusterInfo, ca_cert_hashes};
pub use cordon::{
    CORDON_OWNER, CORDON_REASON, CORDON_RUN, CordonMark, CordonOutcome, UncordonOutcome, Whose, cordon_mark,
    is_foreign_cordon,
};
pub use denial::{Admission, CredentialId, DENIAL_NAME, Denial, DenialOutcome, InvalidCredentialId};
pub use drain::{
    Blocked, BlockedBy, DrainError, DrainOptions, DrainPreview, DrainProgress, DrainReport, DrainReporter, Drainer,
    Ladder, PodVerdict, ShorterGrace, Silent,
};
pub use error::Error;
pub use fencing::{
    FencingProof, ForcedDeletes, Harmless, OUT_OF_SERVICE, OUT_OF_SERVICE_OWNER, OperatorStatement, TaintOutcome,
    Unproved,
};
pub use gate::{OpenGate, WriteGate};
pub use kubeadm_config::{KUBE_SYSTEM, KubeadmConfig};
pub use kubelet_request::{Certified, KubeletRequest, RequestDecision, certified};
pub use leaders::{Renewals, idle};
pub use marks::{InvalidMark, NodeMarks};
pub use node::{Address, Node, NodeTaint, disrupted};
pub use nodes::DeleteOutcome;
pub use pod::{Owner, Pod, PodPhase, PodRef};
pub use remains::Remains;
pub use selector::{InvalidSelector, Selector};
pub use sweep::Swept;
pub use volumes::VolumeProgress;
