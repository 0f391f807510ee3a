//! The agent as others meet it: over mutual TLS on loopback, through enrolment and renewal, over a simulated host, and as a process that is
//! killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where by failing there")]

#[path = "agent/cluster.rs"]
mod cluster;
#[path = "agent/crashes.rs"]
mod crashes;
#[path = "agent/enrolment.rs"]
mod enrolment;
#[path = "agent/process.rs"]
mod process;
#[path = "agent/wire.rs"]
mod wire;
