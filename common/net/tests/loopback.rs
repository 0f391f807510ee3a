//! Security over real loopback TLS: each way of being the wrong caller, or calling the wrong server, ends with its code, and with a record on
//! the side that refused.

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
