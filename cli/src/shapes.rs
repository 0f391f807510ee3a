//! What `-o json` prints. These shapes are a promise to scripts, so they are written down here and not taken from the wire: fields are added,
//! never renamed or removed. An unknown value is `null`, a moment is milliseconds since 1970.

mod bootstrap_token;
mod control_plane;
mod etcd;
mod node;
mod run;

pub use bootstrap_token::BootstrapToken;
pub use control_plane::{ControlPlane, PartInEtcd, Snapshot};
pub use etcd::{EtcdMember, EtcdStatus};
pub use node::{Certificate, Host, Metrics, Node, NodeDetail, Nodes, Pod, Unit};
pub use run::{Finding, Flow, Line, Plan, PlannedStep, Run, RunDetail, StepStatus};

/// Nothing instead of an empty text.
fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Nothing instead of a moment that has not come.
fn moment(milliseconds: i64) -> Option<i64> {
    (milliseconds != 0).then_some(milliseconds)
}
