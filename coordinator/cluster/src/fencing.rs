//! What may be done to a node that is silent, and what must wait until it is proved that its host is off. Silence proves nothing: a host that
//! is only cut off goes on writing to its volumes, and pods deleted under it would run twice.

mod force;
mod harmless;
mod out_of_service;
mod proof;

pub use force::ForcedDeletes;
pub use harmless::Harmless;
pub use out_of_service::{OUT_OF_SERVICE, OUT_OF_SERVICE_OWNER, TaintOutcome};
pub use proof::{FencingProof, OperatorStatement, Unproved};
