//! How bytes move: the only place that opens sockets. Every connection is TLS with both sides judged, every limit is set here once, and every
//! refusal leaves a record.

mod accept;
pub mod audit;
mod authorise;
mod body;
mod connect;
mod leader;
pub mod limits;
mod listen;
mod peer;
mod serve;
mod stream;

pub use accept::{Accept, Dial, Tcp, bind};
pub use audit::{Audit, AuditEvent, FileAudit, MemoryAudit};
pub use authorise::{Authorised, Gate};
pub use connect::{Connector, connect_to_enrol, explain};
pub use leader::{Declined, addresses, ask_leader};
pub use limits::{MAX_ANSWER, MAX_MESSAGE};
pub use peer::{Peer, caller, identity};
pub use serve::{Door, Error, serve};
