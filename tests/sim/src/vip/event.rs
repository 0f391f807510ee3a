//! Everything that the queue of the segment holds.

use slipway_guard::decide::Look;
use slipway_guard::stray::Held;
use slipway_host::{Active, ServiceState};

use super::faults::Trouble;
use super::master::Program;

/// How the API server's process of a master is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// It answers; whether it is ready is the quorum's matter.
    Answers,
    /// It is there, and too slow.
    Slow,
    /// Nobody is there.
    Gone,
}

/// How a kubelet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kubelet {
    /// Its unit.
    pub unit: Active,
    /// Its healthz says that it is well.
    pub answers: bool,
}

impl Kubelet {
    /// In order.
    pub const WELL: Self = Self { unit: Active::Active, answers: true };
}

/// What a guard saw at one look.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The kubelet's unit.
    pub kubelet: ServiceState,
    /// The kubelet.
    pub kubelet_looks: Look,
    /// The API server.
    pub api_looks: Look,
    /// keepalived's unit.
    pub keepalived: ServiceState,
    /// The address, where it is on this host.
    pub held_by: Option<Held>,
    /// When the look began, in the world's time.
    pub began: std::time::Duration,
}

/// What a process does next.
#[derive(Debug, Clone)]
pub enum Step {
    /// A guard looks.
    Looks,
    /// And has seen.
    Sees(Box<Seen>),
    /// keepalived's alarm of that number rings.
    Rings(u64),
    /// keepalived finds files changed.
    Weighs,
    /// keepalived has its check run.
    Checks,
    /// keepalived hears an advert of that master, with that priority.
    Hears(usize, i64),
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// A process that has this life goes on with its work.
    Works(usize, Program, u64, Step),
    /// An advert arrives.
    Arrives {
        /// From that master.
        from: usize,
        /// To that one.
        to: usize,
        /// With that priority.
        priority: i64,
    },
    /// A process begins.
    Starts(usize, Program),
    /// A stopped one goes on.
    GoesOn(usize, Program, u64),
    /// systemd has not heard of a guard that has this life for too long, if it is still stopped since then.
    Watchdog(usize, u64),
    /// The kubelet becomes like this.
    KubeletIs(usize, Kubelet),
    /// The API server becomes like this.
    ApiIs(usize, Api),
    /// A host comes up.
    Boots(usize),
    /// A cut is over.
    Heals(u64),
    /// Adverts are lost no more.
    IsWhole,
    /// Something goes wrong.
    Goes(Trouble),
    /// From now on nothing more goes wrong.
    Calm,
}
