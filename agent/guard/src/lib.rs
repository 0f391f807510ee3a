//! Keeps the address that moves between masters with one that is well. A unit of its own beside the agent, so that an agent's upgrade does not touch
//! it; it needs no coordinator and no other master.

pub mod decide;
