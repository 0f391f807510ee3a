//! One simulation: takes events out of the queue, has whoever they are for act, and asks every invariant after each of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::coordinator::Coordinator;
use crate::faults::Trouble;
use crate::invariants::{Broken, Invariants, Name};
use crate::message::{Ask, Event};
use crate::mutants::Mutant;
use crate::party::Party;
use crate::serve::Question;
use crate::shared::Shared;
use crate::tasks::Tasks;
use crate::trace::Trace;
use crate::vip;
use crate::world::World;

/// For so long things go wrong.
const TROUBLED: Duration = Duration::from_mins(3);
/// And for so long at most everything may come to rest.
const REST: Duration = Duration::from_mins(10);
/// A killed process is started again after that.
const RESTARTS: Duration = Duration::from_secs(1);
/// More events than any simulation needs.
const MOST_EVENTS: u64 = 400_000;

/// How a simulation is run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The bug that is put in.
    pub mutant: Option<Mutant>,
    /// Every line of the trace is kept.
    pub whole_trace: bool,
}

/// How a simulation ended.
#[derive(Debug)]
pub struct Ended {
    /// The seed.
    pub seed: u64,
    /// What was broken; nothing, if all is well.
    pub broken: Vec<Broken>,
    /// The hash of the trace.
    pub hash: String,
    /// The lines of the trace that were kept.
    pub lines: Vec<String>,
    /// How often each interesting thing happened.
    pub seen: BTreeMap<&'static str, u64>,
    /// The time that was simulated.
    pub time: Duration,
}

struct Simulation {
    shared: Shared,
    tasks: Tasks,
    invariants: Invariants,
    events: u64,
    next_look: Duration,
}

/// Runs the simulation of a seed: the cluster, and the address of its masters. A bug that is put in is looked for where it is.
pub fn simulate(seed: u64, options: Options) -> Ended {
    let mut trace = Trace::new(options.whole_trace);
    let mut ended = Ended {
        seed,
        broken: Vec::new(),
        hash: String::new(),
        lines: Vec::new(),
        seen: BTreeMap::new(),
        time: Duration::ZERO,
    };
    let of_address = options.mutant.is_some_and(Mutant::is_of_address);
    if !of_address {
        trace = of_cluster(&mut ended, options, trace);
    }
    if ended.broken.is_empty() && (of_address || options.mutant.is_none()) {
        trace = of_segment(&mut ended, options, trace);
    }
    ended.hash = trace.hash();
    ended.lines = trace.lines().map(str::to_owned).collect();
    ended
}

fn of_cluster(ended: &mut Ended, options: Options, trace: Trace) -> Trace {
    let mut world = World::new(ended.seed, options.mutant, trace);
    world.draw_troubles(TROUBLED);
    world.at(Duration::from_secs(3), Event::Wants);
    world.at(Duration::from_secs(20), Event::LooksAfter);
    for _ in 0..world.people.between(0, 5) {
        let after = Duration::from_millis(world.people.between(2_000, TROUBLED.as_millis() as u64));
        world.at(after, Event::Meddles);
    }
    world.at(TROUBLED, Event::Calm);
    let (shared, tasks) = (Shared::new(world), Tasks::default());
    let mut simulation =
        Simulation { shared, tasks, invariants: Invariants::default(), events: 0, next_look: Duration::ZERO };
    ended.broken = simulation.run();
    let mut world = simulation.shared.world();
    ended.seen = std::mem::take(&mut world.seen);
    ended.seen.insert("events", simulation.events);
    ended.time = world.now();
    std::mem::replace(&mut world.trace, Trace::new(false))
}

fn of_segment(ended: &mut Ended, options: Options, trace: Trace) -> Trace {
    let mut segment = match vip::simulate(ended.seed, options.mutant, trace) {
        Ok((segment, broken)) => {
            ended.broken = broken;
            segment
        }
        Err(error) => {
            ended.broken = vec![Broken { name: Name::I18, how: format!("the guard has no configuration: {error}") }];
            return Trace::new(false);
        }
    };
    ended.time += segment.now();
    for (what, count) in std::mem::take(&mut segment.seen) {
        *ended.seen.entry(what).or_default() += count;
    }
    segment.trace
}

impl Simulation {
    fn run(&mut self) -> Vec<Broken> {
        loop {
            let event = {
                let mut world = self.shared.world();
                let look = world.calm && world.now() > self.next_look;
                if look {
                    self.next_look = world.now() + Duration::from_secs(2);
                }
                if self.events >= MOST_EVENTS || world.now() > TROUBLED + REST || (look && is_at_rest(&world)) {
                    return self.invariants.at_rest(&world);
                }
                world.next_event()
            };
            let Some(event) = event else { return Vec::new() };
            if !self.happens(event) {
                continue;
            }
            self.events += 1;
            self.tasks.run();
            self.reap();
            let mut world = self.shared.world();
            let facts = std::mem::take(&mut world.facts);
            let broken = self.invariants.look(&world, &facts);
            if !broken.is_empty() {
                return broken;
            }
        }
    }

    /// Processes that have ended are gone with all that they did, and are started again.
    fn reap(&mut self) {
        loop {
            let mut world = self.shared.world();
            let Some(number) = world.processes.iter().position(|process| process.exits && process.runs) else {
                world.processes.iter_mut().for_each(|process| process.exits = false);
                return;
            };
            let now = world.now();
            let Some(process) = world.processes.get_mut(number) else { return };
            process.ended = now;
            (process.exits, process.runs, process.stopped) = (false, false, false);
            process.life += 1;
            process.inbox.clear();
            process.reader = None;
            let holder = process.holder.clone();
            world.say(format_args!("c{} has ended", number + 1));
            // Where the machine lives, it says that the process is gone.
            if world.hosts.get(number).is_some_and(|host| host.up) {
                let call = world.next_id();
                world.send(Party::Coordinator(number), Party::Store, call, Ask::Resign(holder));
                world.at(RESTARTS, Event::CoordinatorStarts(number));
            }
            drop(world);
            self.tasks.kill(number);
            self.tasks.run();
        }
    }

    /// Has whoever an event is for act. False: nothing came of it.
    fn happens(&mut self, event: Event) -> bool {
        let mut world = self.shared.world();
        match event {
            Event::Arrives { from, to, call, ask, life, sent } => {
                world.serve(Question { from, to, call, ask, life, sent });
            }
            Event::Answers(call, reply) => world.fill(call, reply),
            Event::TooLate(call) => {
                if !world.waits(call) {
                    return false;
                }
                world.too_late(call);
            }
            Event::Works { host, boot, operation } => world.works(host, boot, &operation),
            Event::Notices(host) => world.notices(host),
            Event::Lease => {
                world.tell_vacancy();
                if let Some(until) = world.store.presence().map(|(_, until)| *until) {
                    let after = until.saturating_sub(world.now());
                    world.at(after, Event::Lease);
                }
            }
            Event::AgentStarts(host) => world.start_agent(host),
            Event::Boots(host) => {
                world.boot(host);
                if host < world.processes.len() {
                    world.at(Duration::from_millis(800), Event::CoordinatorStarts(host));
                }
            }
            Event::CoordinatorStarts(number) => {
                drop(world);
                self.start(number);
            }
            Event::Continues(number) => {
                if let Some(process) = world.processes.get_mut(number) {
                    process.stopped = false;
                }
                drop(world);
                self.tasks.go_on(number);
            }
            Event::Heals(cut) => world.heal(cut),
            Event::StoreIsBack => world.store.answers = true,
            Event::Goes(trouble) => {
                drop(world);
                self.goes_wrong(trouble);
            }
            Event::Wants => world.wants(),
            Event::LooksAfter => world.looks_after(),
            Event::Meddles => world.meddles(),
            Event::Replaces(host) => world.replaces(host),
            Event::Calm => {
                drop(world);
                self.calm_down();
            }
        }
        true
    }

    fn goes_wrong(&mut self, trouble: Trouble) {
        let mut world = self.shared.world();
        world.go_wrong(trouble);
        let stopped = |(number, process): (usize, &crate::world::Process)| process.stopped.then_some(number);
        let stopped: Vec<usize> = world.processes.iter().enumerate().filter_map(stopped).collect();
        drop(world);
        for number in stopped {
            self.tasks.stop(number);
        }
    }

    fn start(&mut self, number: usize) {
        let mut world = self.shared.world();
        let up = world.hosts.get(number).is_some_and(|host| host.up);
        let Some(process) = world.processes.get_mut(number).filter(|process| up && !process.runs) else { return };
        process.runs = true;
        process.life += 1;
        process.holder = format!("c{}/{}", number + 1, process.life);
        let (holder, shared, spawner) = (process.holder.clone(), self.shared.clone(), self.tasks.spawner.clone());
        drop(world);
        let coordinator = Coordinator { shared, me: number, holder, spawner: spawner.clone() };
        spawner.spawn(number, coordinator.run());
    }

    /// Whatever is wrong is made good, and nothing more goes wrong.
    fn calm_down(&mut self) {
        let mut world = self.shared.world();
        world.say(format_args!("from here on nothing goes wrong"));
        (world.calm, world.net.calm, world.store.answers) = (true, true, true);
        world.api_away = Duration::ZERO;
        for cut in world.net.cuts() {
            world.heal(cut);
        }
        for host in 0..world.hosts.len() {
            world.boot(host);
        }
        let numbers: Vec<usize> = (0..world.processes.len()).collect();
        for number in &numbers {
            if let Some(process) = world.processes.get_mut(*number) {
                process.stopped = false;
            }
            world.at(Duration::from_secs(1), Event::CoordinatorStarts(*number));
        }
        drop(world);
        for number in numbers {
            self.tasks.go_on(number);
        }
    }
}

fn is_at_rest(world: &World) -> bool {
    world.calm && world.now() > TROUBLED + Duration::from_secs(20) && world.books().is_empty()
}
