//! The steps that plans are made of here. They ask and act in the order of the product's steps of the same names, and every decision in them is
//! asked of the product: whose cordon it is, what a removal would make of etcd, what an agent's refusal means.

mod etcd;
mod host;
mod node;

use slipway_errors::{Code, Coded};
use slipway_flow::StepError;
use std::time::Duration;

pub use etcd::{AGAIN, AddLearner, BearsStop, KeepsQuorum, LeavesEtcd, Promote};
pub use host::HostDeed;
pub use node::{Cordon, DeleteNode, Drain, PutBack, Serves, StaysEmpty, Uncordon};

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What a silence, or another answer of an agent, means for a look.
fn silent_or(error: Coded) -> StepError {
    if slipway_coordinator::agents::is_silence(&error) {
        StepError::Wait { after: Some(LOOK_AGAIN), why: error }
    } else {
        StepError::retry(error)
    }
}

/// An answer to another question: a defect of the simulation.
fn strange() -> Coded {
    Coded::new(Code::INTERNAL, "an answer to another question")
}
