//! Who has the address for all: three masters on a segment of their own, each with the product's guard and a keepalived. The guard asks no coordinator
//! and no other master, so nothing of the rest of the simulation is here; the seed, the trace and the list of bugs are the same.

pub mod configured;
pub mod event;
pub mod faults;
pub mod keepalived;
pub mod master;
pub mod segment;
pub mod works;

use std::time::Duration;

use self::event::{Api, Event, Kubelet, Step};
use self::master::Program;
use self::segment::{MASTERS, Segment};
use crate::invariants::{Address, Broken};
use crate::mutants::Mutant;
use crate::trace::Trace;

/// For so long things go wrong.
const TROUBLED: Duration = Duration::from_mins(2);
/// And for so long everything may come to rest: a host boots, and its parts are proved.
const REST: Duration = Duration::from_mins(1);

/// Runs the segment of a seed; its trace goes on with the one that is given.
pub fn simulate(seed: u64, mutant: Option<Mutant>, trace: Trace) -> anyhow::Result<(Segment, Vec<Broken>)> {
    let mut segment = Segment::new(seed, mutant, trace)?;
    segment.draw_troubles(TROUBLED);
    segment.queue.at(TROUBLED, Event::Calm);
    let mut address = Address::new(&segment);
    while let Some(event) = segment.queue.next_event() {
        segment.happens(event);
        segment.count("events");
        let mut broken = address.look(&segment);
        let ends = segment.now() > TROUBLED + REST;
        if ends && broken.is_empty() {
            broken = address.at_rest(&segment);
        }
        if ends || !broken.is_empty() {
            return Ok((segment, broken));
        }
    }
    Ok((segment, Vec::new()))
}

impl Segment {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Works(number, program, life, step) => self.works(number, program, life, step),
            Event::Arrives { from, to, priority } => {
                let life = self.masters.get(to).map_or(0, |master| master.keepalived.life);
                self.works(to, Program::Keepalived, life, Step::Hears(from, priority));
            }
            Event::Starts(number, program) => self.starts(number, program),
            Event::GoesOn(number, program, life) => self.goes_on(number, program, life),
            Event::Watchdog(number, life) => self.watchdog(number, life),
            Event::KubeletIs(number, kubelet) => {
                if let Some(master) = self.masters.get_mut(number).filter(|master| master.up) {
                    (master.kubelet, master.kubelet_broken) = (kubelet, false);
                }
            }
            Event::ApiIs(number, api) => {
                if let Some(master) = self.masters.get_mut(number).filter(|master| master.up) {
                    master.api = api;
                }
            }
            Event::Boots(number) => self.boots(number),
            Event::Heals(cut) => drop(self.net.heal(cut)),
            Event::IsWhole => self.lossy = false,
            Event::Goes(trouble) => self.go_wrong(trouble),
            Event::Calm => self.calm_down(),
        }
    }

    /// Whatever is wrong is made good, and nothing more goes wrong.
    fn calm_down(&mut self) {
        self.say(format_args!("from here on nothing goes wrong with the address"));
        (self.calm, self.lossy) = (true, false);
        for cut in self.net.cuts() {
            self.net.heal(cut);
        }
        for number in 0..MASTERS {
            self.boots(number);
            let Some(master) = self.masters.get(number) else { continue };
            let lives = (master.guard.life, master.keepalived.life);
            self.goes_on(number, Program::Guard, lives.0);
            self.goes_on(number, Program::Keepalived, lives.1);
            self.happens(Event::KubeletIs(number, Kubelet::WELL));
            self.happens(Event::ApiIs(number, Api::Answers));
            self.queue.at(Duration::from_secs(1), Event::Starts(number, Program::Guard));
            self.queue.at(Duration::from_secs(2), Event::Starts(number, Program::Keepalived));
        }
    }
}
