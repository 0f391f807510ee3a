//! A master, as far as the address goes: what is true of its kubelet and its API server, what is on its links, and its two processes. What is true is
//! for the world and the invariants alone; the guard has to find it out.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_guard::decide::{Guard, Look};
use slipway_guard::look::{KEEPALIVED, KUBELET, kubelet_of};
use slipway_guard::restart::Restarts;
use slipway_guard::stray::{Held, Stray};
use slipway_guard::told::{Part, Word};
use slipway_host::{Active, Enablement, ServiceState};

use super::event::{Api, Event, Kubelet};
use super::keepalived::Keepalived;

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The guard.
    Guard,
    /// keepalived.
    Keepalived,
}

/// A process, or the lack of one.
#[derive(Debug)]
pub struct Process<T> {
    /// What it is made of, while it runs.
    pub runs: Option<T>,
    /// Counts its starts.
    pub life: u64,
    /// It is stopped, and knows nothing of it.
    pub stopped: bool,
    /// What comes meanwhile.
    pub held: Vec<Event>,
}

impl<T> Default for Process<T> {
    fn default() -> Self {
        Self { runs: None, life: 0, stopped: false, held: Vec::new() }
    }
}

impl<T> Process<T> {
    /// It runs and is not stopped.
    pub const fn works(&self) -> bool {
        self.runs.is_some() && !self.stopped
    }

    /// The life of the one that there is.
    pub fn now(&self) -> Option<u64> {
        self.runs.as_ref().map(|_| self.life)
    }

    /// Another one begins.
    pub fn begins(&mut self, one: T) {
        *self = Self { runs: Some(one), life: self.life + 1, ..Self::default() };
    }

    /// It is gone.
    pub fn ends(&mut self) {
        *self = Self { life: self.life, ..Self::default() };
    }
}

/// A guard's process: the product's own deciding parts.
#[derive(Debug)]
pub struct Watcher {
    /// Whether the master is well.
    pub guard: Guard,
    /// Whether the kubelet is started.
    pub kubelet: Restarts,
    /// Whether keepalived is.
    pub keepalived: Restarts,
    /// An address that was left behind.
    pub stray: Stray,
}

/// keepalived's process, with its alarm.
#[derive(Debug)]
pub struct Vrrp {
    /// What it decides.
    pub core: Keepalived,
    /// Its alarms; the last one alone counts.
    pub alarm: u64,
    /// When that rings.
    pub armed: Option<Duration>,
}

/// A master.
#[derive(Debug)]
pub struct Master {
    /// It has power.
    pub up: bool,
    /// Since when.
    pub booted: Duration,
    /// Its kubelet.
    pub kubelet: Kubelet,
    /// It cannot be started.
    pub kubelet_broken: bool,
    /// Its API server.
    pub api: Api,
    /// The address is on a link.
    pub address: bool,
    /// What the guard says.
    pub files: BTreeMap<Part, String>,
    /// The guard.
    pub guard: Process<Watcher>,
    /// keepalived.
    pub keepalived: Process<Vrrp>,
    /// Its unit.
    pub unit: Active,
}

impl Default for Master {
    fn default() -> Self {
        Self {
            up: true,
            booted: Duration::ZERO,
            kubelet: Kubelet::WELL,
            kubelet_broken: false,
            api: Api::Answers,
            address: false,
            files: BTreeMap::new(),
            guard: Process::default(),
            keepalived: Process::default(),
            unit: Active::Inactive,
        }
    }
}

impl Master {
    /// How the kubelet shows itself.
    pub fn kubelet_looks(&self) -> Look {
        kubelet_of(Some(&self.kubelet_unit()), Some(self.kubelet.answers))
    }

    /// As systemd has it.
    pub fn kubelet_unit(&self) -> ServiceState {
        unit(KUBELET, self.kubelet.unit)
    }

    /// As systemd has it.
    pub fn keepalived_unit(&self) -> ServiceState {
        unit(KEEPALIVED, self.unit)
    }

    /// The address, where it is here.
    pub fn held_by(&self) -> Option<Held> {
        self.address.then(|| ("eth0".to_owned(), "10.0.0.10/32".to_owned()))
    }

    /// The guard's last word.
    pub fn word(&self) -> Word {
        let text = |part| self.files.get(&part).map(String::as_str);
        Word::read(text(Part::Well), text(Part::Heard))
    }

    /// The number in a file of the guard's.
    pub fn number(&self, part: Part) -> i64 {
        self.files.get(&part).and_then(|text| text.trim().parse().ok()).unwrap_or_default()
    }

    /// The power goes, and everything with it that is not on a disk.
    pub fn lose_power(&mut self) {
        let (guard, keepalived) = (self.guard.life, self.keepalived.life);
        *self = Self {
            up: false,
            kubelet: Kubelet { unit: Active::Inactive, answers: false },
            api: Api::Gone,
            ..Self::default()
        };
        (self.guard.life, self.keepalived.life) = (guard, keepalived);
    }
}

fn unit(name: &str, active: Active) -> ServiceState {
    let main_pid = (active == Active::Active).then_some(1);
    ServiceState { unit: name.to_owned(), active, enablement: Enablement::Enabled, main_pid }
}
