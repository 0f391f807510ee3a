//! Keeps the address that moves between masters with one that is well. A unit of its own beside the agent, so that an agent's upgrade does not touch
//! it; it needs no coordinator and no other master.

pub mod args;
pub mod conf;
pub mod daemon;
pub mod decide;
pub mod look;
pub mod restart;
pub mod settings;
pub mod stray;
pub mod told;
pub mod write;
