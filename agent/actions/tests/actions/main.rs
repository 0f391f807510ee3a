//! All actions over fake machines, in one program: each more would be linked for minutes and run for seconds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what surprises a test ends it")]

mod abandoned;
mod asked;
mod master;
mod packages;
mod upgrade;
mod worker;
