//! Does it survive? The parts of Slipway that decide (the engine of runs, admission and barrier, the store's rules for leaderships, a leader's signs
//! of life, the agent's fence and journal, the projection of etcd, cordons with an owner; and the guard of the address for all) in a world without sockets, tasks or time of its own: a
//! seeded queue of messages moves a virtual clock, while processes die and stop, links break, power goes and people change their minds. After every
//! event each invariant is asked whether it still holds. A seed always gives the same simulation, so a failure can be looked at again.

pub mod api_server;
pub mod chance;
pub mod clock;
pub mod coordinator;
pub mod deed;
pub mod disk;
pub mod drive;
pub mod etcd;
pub mod fact;
pub mod faults;
pub mod flows;
pub mod host;
pub mod invariants;
pub mod leader;
pub mod message;
pub mod mutants;
pub mod net;
pub mod party;
pub mod people;
pub mod queue;
pub mod serve;
pub mod shared;
pub mod sim;
pub mod site;
pub mod steps;
pub mod store;
pub mod tasks;
pub mod trace;
pub mod vip;
pub mod works;
pub mod world;

pub use mutants::Mutant;
pub use sim::{Ended, Options, simulate};
