//! Security over real loopback TLS: each way of being the wrong caller, or calling the wrong server, ends with its code, and with a record on
//! the side that refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at what it did not expect")]

#[path = "loopback/callers.rs"]
mod callers;
#[path = "loopback/limits.rs"]
mod limits;
#[path = "loopback/rotation.rs"]
mod rotation;
#[path = "loopback/servers.rs"]
mod servers;
#[path = "loopback/world.rs"]
mod world;
