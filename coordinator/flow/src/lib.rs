//! How steps are run: plans, the engine that decides, the runner that does, and the journal between them. It knows neither Kubernetes nor
//! gRPC: flows work on a world of their own choosing, so the same engine runs in the coordinator, in the simulator and in the crash matrix.

pub mod attempt;
pub mod book;
pub mod budget;
pub mod claims;
pub mod conflicts;
mod context;
pub mod engine;
mod flow;
pub mod journal;
pub mod matrix;
mod plan;
pub mod runbook;
mod runner;
mod step;
pub mod view;

pub use book::{Book, Pause, StepBook, StepState};
pub use context::{Attempt, SayFn, StepCx};
pub use engine::Command;
pub use flow::{Flow, Registry};
pub use journal::{Journal, JournalError, Line, RunHead};
pub use plan::{Lane, LaneBuilder, Plan, PlanBuilder, PlannedNode, Section, Stage, StageBuilder};
pub use runner::{Admission, AdmissionRequest, AdmitAll, Follow, Options, Proposal, Request, Runner, Update};
pub use step::{OnFailure, Policy, Step, StepError};
pub use view::PlanView;
