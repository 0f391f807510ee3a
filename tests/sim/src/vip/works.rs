//! What the processes of a master do when it is their turn: the guard as the product's own loop does it, look, judge, tell, clean up, start; keepalived
//! as its model says.

use std::time::Duration;

use slipway_guard::decide::{Guard, Look};
use slipway_guard::restart::Restarts;
use slipway_guard::stray::Stray;
use slipway_guard::told::{Part, Word, said};
use slipway_host::Active;

use super::event::{Api, Event, Kubelet, Seen, Step};
use super::keepalived::{Keepalived, Weighed};
use super::master::{Program, Vrrp, Watcher};
use super::segment::Segment;
use crate::mutants::Mutant;

/// The deadline of one look.
const DEADLINE: u64 = 1_500;

impl Segment {
    /// A process goes on with its work, if it is still that process.
    pub fn works(&mut self, number: usize, program: Program, life: u64, step: Step) {
        let event = Event::Works(number, program, life, step.clone());
        let Some(master) = self.masters.get_mut(number) else { return };
        let (stopped, now, held) = match program {
            Program::Guard => (master.guard.stopped, master.guard.now(), &mut master.guard.held),
            Program::Keepalived => (master.keepalived.stopped, master.keepalived.now(), &mut master.keepalived.held),
        };
        if now != Some(life) {
            return;
        }
        if stopped {
            return held.push(event);
        }
        match step {
            Step::Looks => self.looks(number, life),
            Step::Sees(seen) => self.sees(number, life, &seen),
            Step::Rings(alarm) => self.rings(number, alarm),
            Step::Weighs => self.weighs(number, None),
            Step::Checks => self.checks(number, life),
            Step::Hears(from, priority) => self.hears(number, from, priority),
        }
    }

    /// A process begins, where there is none.
    pub fn starts(&mut self, number: usize, program: Program) {
        let now = self.now();
        let Some(master) = self.masters.get_mut(number).filter(|master| master.up) else { return };
        match program {
            Program::Guard if master.guard.runs.is_none() => {
                let was_well = master.word().was_well(now.saturating_sub(master.booted));
                let patience = (self.settings.kubelet, self.settings.api_server);
                master.guard.begins(Watcher {
                    guard: Guard::new(patience.0, patience.1, was_well),
                    kubelet: Restarts::new(self.settings.restart_kubelet),
                    keepalived: Restarts::new(self.settings.restart_keepalived),
                    stray: Stray::default(),
                });
                let life = master.guard.life;
                self.after(5, 100, Event::Works(number, program, life, Step::Looks));
                self.say(format_args!("the guard of m{} begins, was_well {was_well}", number + 1));
            }
            Program::Keepalived if master.keepalived.runs.is_none() => {
                let Some(configured) = self.configured.get(number).copied() else { return };
                let (well, holds) = (master.number(Part::Well), master.number(Part::Holds));
                let core = Keepalived::new(configured, number, well, holds, now);
                master.keepalived.begins(Vrrp { core, alarm: 0, armed: None });
                master.unit = Active::Active;
                let life = master.keepalived.life;
                self.say(format_args!("the keepalived of m{} begins", number + 1));
                self.put_address(number, false);
                self.after(2, 20, Event::Works(number, program, life, Step::Checks));
                self.arm(number);
            }
            _ => {}
        }
    }

    fn looks(&mut self, number: usize, life: u64) {
        let (began, api_looks) = (self.now(), self.api_looks(number));
        let Some(master) = self.masters.get(number) else { return };
        let seen = Seen {
            kubelet: master.kubelet_unit(),
            kubelet_looks: master.kubelet_looks(),
            api_looks,
            keepalived: master.keepalived_unit(),
            held_by: master.held_by(),
            began,
        };
        let waits = master.api == Api::Slow || matches!(seen.kubelet_looks, Look::Ill(_));
        let (low, high) = if waits { (DEADLINE, DEADLINE + 10) } else { (3, 60) };
        self.after(low, high, Event::Works(number, Program::Guard, life, Step::Sees(Box::new(seen))));
    }

    fn sees(&mut self, number: usize, life: u64, seen: &Seen) {
        let now = self.now();
        let Some(master) = self.masters.get_mut(number) else { return };
        let since_boot = now.saturating_sub(master.booted);
        let before = master.word();
        let Some(watcher) = &mut master.guard.runs else { return };
        let sight = slipway_guard::decide::Sight {
            kubelet: seen.kubelet_looks.clone(),
            api_server: seen.api_looks.clone(),
            holds: seen.held_by.is_some(),
        };
        let verdict = watcher.guard.see(since_boot, &sight);
        let stray = watcher.stray.see(Some(&seen.keepalived), seen.held_by.as_ref());
        let starts = [
            (Program::Guard, watcher.kubelet.due(since_boot, &seen.kubelet)),
            (Program::Keepalived, watcher.keepalived.due(since_boot, &seen.keepalived)),
        ];
        let before = if self.mutant == Some(Mutant::ExpiredTakenBack) { Word::default() } else { before };
        for (part, text) in said(since_boot, &verdict, before) {
            if !self.writes(number, part, text, &verdict.why) {
                return;
            }
        }
        if stray.is_some() && self.mutant != Some(Mutant::StrayStays) {
            self.count("strays taken away");
            self.put_address(number, false);
        }
        for (what, _) in starts.iter().filter(|(_, due)| *due) {
            match what {
                Program::Guard => self.start_kubelet(number),
                Program::Keepalived => self.after(50, 400, Event::Starts(number, Program::Keepalived)),
            }
        }
        let next = Duration::from_millis(self.settings.look_ms.into()).saturating_sub(now.saturating_sub(seen.began));
        self.queue.at(next, Event::Works(number, Program::Guard, life, Step::Looks));
    }

    /// The guard writes a file. False: it died before it came to the next one.
    fn writes(&mut self, number: usize, part: Part, text: String, why: &str) -> bool {
        let Some(master) = self.masters.get_mut(number) else { return false };
        let new = master.files.get(&part) != Some(&text);
        if new && part != Part::Heard {
            let life = master.keepalived.life;
            let line = format!("the guard of m{} says {part:?} {}: {why}", number + 1, text.trim());
            master.files.insert(part, text);
            self.say(format_args!("{line}"));
            self.after(0, 2, Event::Works(number, Program::Keepalived, life, Step::Weighs));
            if !self.calm && self.troubles.happens(20) {
                self.end_guard(number, Duration::from_millis(200));
                return false;
            }
        } else if new {
            master.files.insert(part, text);
        }
        true
    }

    fn start_kubelet(&mut self, number: usize) {
        self.count("kubelets started");
        let Some(master) = self.masters.get_mut(number).filter(|master| !master.kubelet_broken) else { return };
        master.kubelet = Kubelet { unit: Active::Active, answers: false };
        self.after(500, 4_000, Event::KubeletIs(number, Kubelet::WELL));
    }

    fn rings(&mut self, number: usize, alarm: u64) {
        let now = self.now();
        let Some(vrrp) = self.masters.get_mut(number).and_then(|master| master.keepalived.runs.as_mut()) else {
            return;
        };
        if vrrp.alarm != alarm {
            return;
        }
        vrrp.armed = None;
        let acts = vrrp.core.time_is_up(now);
        self.act(number, acts);
    }

    fn hears(&mut self, number: usize, from: usize, priority: i64) {
        let now = self.now();
        let Some(vrrp) = self.masters.get_mut(number).and_then(|master| master.keepalived.runs.as_mut()) else {
            return;
        };
        let acts = vrrp.core.hears(now, from, priority);
        self.act(number, acts);
    }

    fn weighs(&mut self, number: usize, passes: Option<bool>) {
        let Some(master) = self.masters.get_mut(number) else { return };
        let (well, holds) = (master.number(Part::Well), master.number(Part::Holds));
        let Some(vrrp) = &mut master.keepalived.runs else { return };
        let passes = passes.unwrap_or(vrrp.core.weighed().passes);
        let before = vrrp.core.priority();
        vrrp.core.weighs(Weighed { well, holds, passes });
        let after = vrrp.core.priority();
        if before != after {
            self.say(format_args!("m{} has priority {after}", number + 1));
        }
        self.arm(number);
    }

    fn checks(&mut self, number: usize, life: u64) {
        let now = self.now();
        let (Some(master), Some(configured)) = (self.masters.get(number), self.configured.get(number)) else { return };
        let (word, since_boot, every) = (master.word(), now.saturating_sub(master.booted), configured.every);
        let passes = match self.mutant {
            Some(Mutant::GuardNeverExpires) => true,
            Some(Mutant::DeadCountsTwice) => Word { well: true, ..word }.may_be_believed(since_boot),
            _ => word.may_be_believed(since_boot),
        };
        self.weighs(number, Some(passes));
        self.queue.at(every, Event::Works(number, Program::Keepalived, life, Step::Checks));
    }
}
