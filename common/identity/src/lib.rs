//! Who is speaking: certificates, ids in URI SANs, tokens, the authorisation table. No socket is opened and no runtime is needed here, so
//! that every decision about identity can be tested with plain data and a clock that a test governs.

pub mod allow;
pub mod another;
pub mod authority;
mod files;
mod id;
pub mod init;
pub mod keys;
pub mod random;
pub mod sealed;
pub mod store;
pub mod tls;
pub mod token;
pub mod verify;

pub use authority::{Authority, Issued, Leaf, Root};
pub use id::{InvalidIdentity, PeerIdentity};
pub use keys::{Identity, Key};
pub use sealed::Passphrase;
pub use verify::{CaPin, Refused, ca_hash};
