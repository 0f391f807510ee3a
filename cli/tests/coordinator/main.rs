//! The verbs against a coordinator in memory that follows a script: real gRPC messages, no sockets, no certificates.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in what it is set up with")]

mod looking;
mod proposing;
mod scripted;
mod watching;
