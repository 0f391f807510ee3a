//! The whole of Slipway over simulated hosts and a simulated cluster: the demo, the end-to-end tests and the crash matrix. What is simulated is
//! the outside alone (machines, API server); agents, engine, store and flows are the real ones.
#![allow(
    clippy::disallowed_methods,
    reason = "drives the real programs as a user would: it starts processes and waits in real time"
)]

pub mod adapt;
pub mod agents;
pub mod external;
pub mod interleavings;
pub mod link;
pub mod local_agents;
pub mod matrix;
pub mod programs;
mod remains;
pub mod runs;
pub mod says;
pub mod sites;
pub mod stage;
pub mod upgrades;
pub mod workload;
