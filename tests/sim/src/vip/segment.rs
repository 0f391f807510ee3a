//! The segment: three masters, the network between them and the one queue that moves everything. What a process decides is its own; what comes of it
//! for links and for the others happens here.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_guard::conf::render;
use slipway_guard::decide::{Look, Patience};
use slipway_guard::settings::{Master as Named, Settings};

use super::configured::Configured;
use super::event::{Api, Event, Step};
use super::keepalived::Act;
use super::master::{Master, Process, Program, Vrrp};
use crate::chance::Chance;
use crate::mutants::Mutant;
use crate::net::{Fate, Net};
use crate::party::Party;
use crate::queue::Queue;
use crate::trace::Trace;

/// How many masters.
pub const MASTERS: usize = 3;
/// Bases that lie well apart.
const BASES: [[u8; MASTERS]; 3] = [[10, 35, 60], [60, 10, 35], [35, 60, 10]];
/// Where adverts get lost, so many of a thousand.
const LOST: u64 = 400;

/// The segment.
pub struct Segment {
    /// What moves it.
    pub queue: Queue<Event>,
    /// The network.
    pub net: Net,
    /// Some adverts are lost.
    pub lossy: bool,
    /// The masters.
    pub masters: Vec<Master>,
    /// What their guards go by.
    pub settings: Settings,
    /// What their keepaliveds go by.
    pub configured: Vec<Configured>,
    /// Everything that happened.
    pub trace: Trace,
    /// The bug that is put in.
    pub mutant: Option<Mutant>,
    /// Chance for how long things take.
    pub times: Chance,
    /// Chance for what goes wrong.
    pub troubles: Chance,
    /// Nothing more goes wrong.
    pub calm: bool,
    /// How often each interesting thing happened.
    pub seen: BTreeMap<&'static str, u64>,
}

impl Segment {
    /// The segment of a seed, before anything happens. Its trace goes on with the one that is given.
    pub fn new(seed: u64, mutant: Option<Mutant>, trace: Trace) -> anyhow::Result<Self> {
        let mut times = Chance::of(seed, "address: times");
        let bases = times.pick(&BASES).unwrap_or_default();
        let settings = settings(bases, mutant)?;
        let configured =
            (1..=MASTERS).map(|number| configured(&settings, number, mutant)).collect::<anyhow::Result<_>>()?;
        let mut net = Net::new(seed);
        // On one segment adverts are neither late nor lost, but where something is wrong with it.
        net.calm = true;
        let mut segment = Self {
            queue: Queue::default(),
            net,
            lossy: false,
            masters: (0..MASTERS).map(|_| Master::default()).collect(),
            settings,
            configured,
            trace,
            mutant,
            times,
            troubles: Chance::of(seed, "address: troubles"),
            calm: false,
            seen: BTreeMap::new(),
        };
        for number in 0..MASTERS {
            segment.after(1, 200, Event::Starts(number, Program::Guard));
            segment.after(200, 2_000, Event::Starts(number, Program::Keepalived));
        }
        Ok(segment)
    }

    /// Since the beginning.
    pub fn now(&self) -> Duration {
        self.queue.now()
    }

    /// Puts an event in, after a time between these, in milliseconds.
    pub fn after(&mut self, low: u64, high: u64, event: Event) {
        let time = Duration::from_micros(self.times.between(low * 1_000, high * 1_000));
        self.queue.at(time, event);
    }

    /// A line for the trace.
    pub fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.queue.now(), what);
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// Whether those two hear each other.
    pub fn hear_each_other(&self, a: usize, b: usize) -> bool {
        !self.lossy && !self.is_cut_between(a, b)
    }

    fn is_cut_between(&self, a: usize, b: usize) -> bool {
        let (a, b) = (Party::Segment(a), Party::Segment(b));
        self.net.is_cut(a, b) || self.net.is_cut(b, a)
    }

    /// How the API server of a master shows itself: without a quorum of etcd none is ready.
    pub fn api_looks(&self, number: usize) -> Look {
        let Some(master) = self.masters.get(number) else { return Look::Gone(String::new()) };
        let joined = |other: &usize| {
            let up = self.masters.get(*other).is_some_and(|other| other.up);
            up && (*other == number || !self.is_cut_between(number, *other))
        };
        match master.api {
            Api::Gone => Look::Gone("connection refused".to_owned()),
            Api::Slow => Look::Ill("no answer in time".to_owned()),
            Api::Answers if (0..MASTERS).filter(joined).count() * 2 <= MASTERS => Look::Ill("not ready".to_owned()),
            Api::Answers => Look::Well,
        }
    }

    /// A keepalived does what it has decided.
    pub fn act(&mut self, number: usize, acts: Vec<Act>) {
        for act in acts {
            match act {
                Act::Sends(priority) => self.advertise(number, priority),
                Act::Takes => self.put_address(number, true),
                Act::Leaves => self.put_address(number, false),
            }
        }
        self.arm(number);
    }

    /// Takes the address away from a master, or puts it there.
    pub fn put_address(&mut self, number: usize, there: bool) {
        let Some(master) = self.masters.get_mut(number) else { return };
        if std::mem::replace(&mut master.address, there) != there {
            self.say(format_args!("m{} {} the address", number + 1, if there { "takes" } else { "leaves" }));
            self.count(if there { "addresses taken" } else { "addresses left" });
        }
    }

    fn advertise(&mut self, from: usize, priority: i64) {
        for to in (0..MASTERS).filter(|to| *to != from) {
            let fate = self.net.fate(Party::Segment(from), Party::Segment(to));
            let lost = self.lossy && self.times.happens(LOST);
            if let (Fate::Comes(late, _), false) = (fate, lost) {
                self.queue.at(late, Event::Arrives { from, to, priority });
            }
        }
    }

    /// Sets a keepalived's alarm, where the one that is set would ring too late.
    pub fn arm(&mut self, number: usize) {
        let now = self.now();
        let Some(process) = self.masters.get_mut(number).map(|master| &mut master.keepalived) else { return };
        let Process { life, runs: Some(Vrrp { core, alarm, armed }), .. } = process else { return };
        if armed.is_none_or(|rings| core.due < rings) {
            *alarm += 1;
            *armed = Some(core.due);
            let event = Event::Works(number, Program::Keepalived, *life, Step::Rings(*alarm));
            self.queue.at(core.due.saturating_sub(now), event);
        }
    }
}

/// The settings that the masters share.
fn settings(bases: [u8; MASTERS], mutant: Option<Mutant>) -> anyhow::Result<Settings> {
    let named = bases.into_iter().enumerate().map(|(number, base)| {
        let address = [10, 0, 0, 11 + number as u8].into();
        (format!("m{}", number + 1), Named { address, base })
    });
    let mut settings = Settings {
        vip: "10.0.0.10/32".to_owned(),
        interface: "eth0".to_owned(),
        virtual_router_id: 70,
        masters: named.collect(),
        ..Settings::default()
    };
    let change = |patience: Patience| match mutant {
        Some(Mutant::WellAtOnce) => Patience { well_ms: 0, ..patience },
        Some(Mutant::NoPatience) => Patience { gone_ms: 0, ill_ms: 0, ..patience },
        _ => patience,
    };
    (settings.kubelet, settings.api_server) = (change(settings.kubelet), change(settings.api_server));
    settings.validated("m1").map_err(|error| anyhow::anyhow!("{error}"))
}

/// What the keepalived of a master reads.
fn configured(settings: &Settings, number: usize, mutant: Option<Mutant>) -> anyhow::Result<Configured> {
    let own = Settings { name: format!("m{number}"), ..settings.clone() };
    let read = Configured::read(&render(&own).map_err(|error| anyhow::anyhow!("{error}"))?)?;
    Ok(match mutant {
        Some(Mutant::NothingIsWeighed) => Configured { well: 0, holds: 0, refused: 0, ..read },
        Some(Mutant::HoldingCountsForNothing) => Configured { holds: 0, ..read },
        Some(Mutant::NobodyPreempts) => Configured { preempts: false, ..read },
        _ => read,
    })
}
