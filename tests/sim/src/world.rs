//! The world: everything that has state and is not a coordinator, with the one queue that moves it. An event is taken out, time moves to it, and
//! whoever it is for acts at once; nothing happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_types::{Clock, NodeName, NodeRole, RunId, Timestamp};

use crate::api_server::ApiServer;
use crate::chance::Chance;
use crate::clock::VirtualClock;
use crate::etcd::Etcd;
use crate::fact::Fact;
use crate::host::Host;
use crate::message::{Ask, Event, Reply};
use crate::mutants::Mutant;
use crate::net::{Fate, Net};
use crate::party::Party;
use crate::queue::Queue;
use crate::store::SimStore;
use crate::trace::Trace;

/// A coordinator's process, as the world sees it.
#[derive(Debug, Default)]
pub struct Process {
    /// Counts its starts.
    pub life: u64,
    /// When it ended last.
    pub ended: Duration,
    /// It runs.
    pub runs: bool,
    /// It is stopped, and knows nothing of it.
    pub stopped: bool,
    /// It has ended by itself.
    pub exits: bool,
    /// What operators ask it for.
    pub inbox: Vec<Ask>,
    /// Who reads that.
    pub reader: Option<Waker>,
    /// The name it leads or led under.
    pub holder: String,
}

#[derive(Debug, Default)]
struct Slot {
    reply: Option<Reply>,
    waker: Option<Waker>,
}

/// The world.
pub struct World {
    /// Time.
    pub clock: Arc<VirtualClock>,
    queue: Queue<Event>,
    slots: BTreeMap<u64, Slot>,
    held: Vec<(u64, Event)>,
    /// The network.
    pub net: Net,
    /// The store.
    pub store: SimStore,
    /// The API server.
    pub api: ApiServer,
    /// Until then it answers nothing.
    pub api_away: Duration,
    /// The cluster's etcd.
    pub etcd: Etcd,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The coordinators.
    pub processes: Vec<Process>,
    /// What happened since the invariants looked last.
    pub facts: Vec<Fact>,
    /// Everything that happened.
    pub trace: Trace,
    /// The bug that is put in.
    pub mutant: Option<Mutant>,
    /// Chance for what people do.
    pub people: Chance,
    /// Chance for what goes wrong.
    pub troubles: Chance,
    /// How many workers may be out of service at once.
    pub budget: u32,
    /// Nothing more goes wrong, and nobody wants anything.
    pub calm: bool,
    /// How often each interesting thing happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// Commands that agents have had, for those that come again.
    pub old: Vec<(usize, Ask)>,
    ids: u64,
}

/// Masters, workers, and hosts that wait.
pub const MASTERS: usize = 3;
const WORKERS: usize = 3;
const WAITING: usize = 1;
const HOSTS: usize = MASTERS + WORKERS + WAITING;

impl World {
    /// The world of a seed, before anything happens.
    pub fn new(seed: u64, mutant: Option<Mutant>, trace: Trace) -> Self {
        let (mut people, queue) = (Chance::of(seed, "people"), Queue::default());
        let mut world = Self {
            clock: Arc::clone(&queue.clock),
            queue,
            slots: BTreeMap::new(),
            held: Vec::new(),
            net: Net::new(seed),
            store: SimStore::new(mutant),
            api: ApiServer::default(),
            api_away: Duration::ZERO,
            etcd: Etcd::default(),
            hosts: Vec::new(),
            processes: Vec::new(),
            facts: Vec::new(),
            trace,
            mutant,
            budget: people.between(1, 3) as u32,
            people,
            troubles: Chance::of(seed, "troubles"),
            calm: false,
            seen: BTreeMap::new(),
            old: Vec::new(),
            ids: 0,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        for number in 0..HOSTS {
            let (role, name) = match number {
                0..MASTERS => (NodeRole::ControlPlane, format!("m{}", number + 1)),
                _ => (NodeRole::Worker, format!("w{}", number - MASTERS + 1)),
            };
            // The names are letters and digits.
            let Ok(node) = NodeName::new(name) else { continue };
            let joined = number < MASTERS + WORKERS;
            if joined {
                self.api.register(&node, role);
            }
            if number < MASTERS {
                self.etcd.begin_with(number, &node);
                self.processes.push(Process::default());
                let early = Duration::from_millis(self.people.between(0, 50));
                self.at(early, Event::CoordinatorStarts(number));
            }
            self.hosts.push(Host::new(number, node, role, joined, self.mutant));
        }
    }

    /// Since the beginning.
    pub fn now(&self) -> Duration {
        self.clock.since_boot()
    }

    /// The wall time.
    pub fn wall(&self) -> Timestamp {
        self.clock.now()
    }

    /// Puts an event into the queue, after so long.
    pub fn at(&mut self, after: Duration, event: Event) {
        self.queue.at(after, event);
    }

    /// The next event; time moves to it.
    pub fn next_event(&mut self) -> Option<Event> {
        self.queue.next_event()
    }

    /// A line for the trace.
    pub fn say(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.clock.since_boot(), what);
    }

    /// Counts something.
    pub fn count(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A new id.
    pub fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A new run's id.
    pub fn next_run(&mut self) -> RunId {
        RunId(format!("run-{:04}", self.next_id()))
    }

    /// The number of the host that serves, or served, as that node.
    pub fn host_of(&self, node: &NodeName) -> Option<usize> {
        self.hosts.iter().position(|host| host.node == *node)
    }

    /// Asks; the answer, or its absence, comes into a slot of its own.
    pub fn ask(&mut self, from: Party, to: Party, ask: Ask, deadline: Duration) -> u64 {
        let call = self.next_id();
        self.slots.insert(call, Slot::default());
        self.at(deadline, Event::TooLate(call));
        self.send(from, to, call, ask);
        call
    }

    /// A slot that is filled after so long.
    pub fn alarm(&mut self, after: Duration) -> u64 {
        let call = self.next_id();
        self.slots.insert(call, Slot::default());
        self.at(after, Event::TooLate(call));
        call
    }

    /// Sends a question on its way.
    pub fn send(&mut self, from: Party, to: Party, call: u64, ask: Ask) {
        let life = if let Party::Coordinator(number) = from { self.life_of(number) } else { 0 };
        let event = Event::Arrives { from, to, call, ask, life, sent: self.now() };
        self.post(from, to, event);
    }

    fn post(&mut self, from: Party, to: Party, event: Event) {
        match self.net.fate(from, to) {
            Fate::Comes(after, again) => {
                // What is not answered in time at the API server is given up there too.
                if let Some(more) = again.filter(|_| from != Party::Api && to != Party::Api) {
                    self.at(after + more, event.clone());
                }
                self.at(after, event);
            }
            Fate::Waits(cut) => self.held.push((cut, event)),
            Fate::Lost => {}
        }
    }

    /// Answers a call.
    pub fn reply(&mut self, from: Party, to: Party, call: u64, reply: Reply) {
        self.post(from, to, Event::Answers(call, reply));
    }

    /// A cut is over: what it held comes.
    pub fn heal(&mut self, cut: u64) {
        if !self.net.heal(cut) {
            return;
        }
        let held = std::mem::take(&mut self.held);
        for (number, event) in held {
            if number == cut {
                let late = self.net.usual();
                self.at(late, event);
            } else {
                self.held.push((number, event));
            }
        }
    }

    /// Fills a slot, where somebody still waits.
    pub fn fill(&mut self, call: u64, reply: Reply) {
        if let Some(slot) = self.slots.get_mut(&call).filter(|slot| slot.reply.is_none()) {
            slot.reply = Some(reply);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }

    /// No answer came in time.
    pub fn too_late(&mut self, call: u64) {
        self.fill(call, Err(Coded::new(Code::WIRE_DEADLINE, "no answer came in time")));
    }

    /// Somebody waits for that.
    pub fn waits(&self, call: u64) -> bool {
        self.slots.contains_key(&call)
    }

    /// What is in a slot; the waker is woken when there is something.
    pub fn look(&mut self, call: u64, waker: &Waker) -> Option<Reply> {
        let slot = self.slots.get_mut(&call)?;
        let reply = slot.reply.take();
        if reply.is_none() {
            slot.waker = Some(waker.clone());
        }
        reply
    }

    /// Nobody waits any more.
    pub fn forget(&mut self, call: u64) {
        self.slots.remove(&call);
    }

    /// How often that coordinator has started.
    pub fn life_of(&self, number: usize) -> u64 {
        self.processes.get(number).map_or(0, |process| process.life)
    }

    /// Whether the API server can answer anything.
    pub fn api_answers(&self) -> bool {
        self.now() >= self.api_away && self.etcd.agrees()
    }
}
