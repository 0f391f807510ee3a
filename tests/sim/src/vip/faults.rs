//! What goes wrong on the segment, drawn from the seed before anything happens, and what is made of it.

use std::time::Duration;

use slipway_host::Active;

use super::event::{Api, Event, Kubelet};
use super::master::{Master, Program};
use super::segment::{MASTERS, Segment};
use crate::chance::Chance;
use crate::net::{Cut, Link};
use crate::party::Party;

/// systemd's patience with a guard that does not say that it lives, and the time until it starts another one.
const WATCHDOG: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(200);

/// Something that goes wrong, and for how long.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// The kubelet's process dies and cannot be started.
    KubeletDies(usize, Duration),
    /// Somebody stops it.
    KubeletIsStopped(usize, Duration),
    /// It hangs.
    KubeletHangs(usize, Duration),
    /// Somebody stops all of them.
    AllKubelets(Duration),
    /// The API server is gone, or too slow.
    ApiIs(usize, Api, Duration),
    /// The guard's process dies; another one begins after so long.
    GuardDies(usize, Duration),
    /// It is stopped.
    GuardStops(usize, Duration),
    /// keepalived's process dies. True: it leaves the address behind.
    KeepalivedDies(usize, bool),
    /// Somebody stops it in good order.
    KeepalivedIsStopped(usize, Duration),
    /// It gets no time.
    KeepalivedPauses(usize, Duration),
    /// The power goes.
    HostDies(usize, Duration),
    /// Nothing passes there.
    Cuts(Vec<Link>, Duration),
    /// Some adverts get lost.
    Loses(Duration),
}

impl Segment {
    /// Draws all troubles of the time until `end`.
    pub fn draw_troubles(&mut self, end: Duration) {
        for _ in 0..self.troubles.between(4, 20) {
            let after = Duration::from_millis(self.troubles.between(15_000, end.as_millis() as u64));
            let trouble = draw(&mut self.troubles);
            self.queue.at(after, Event::Goes(trouble));
        }
    }

    /// Something goes wrong.
    pub fn go_wrong(&mut self, trouble: Trouble) {
        if self.calm {
            return;
        }
        self.say(format_args!("trouble: {trouble:?}"));
        let gone = |unit| Kubelet { unit, answers: false };
        match trouble {
            Trouble::KubeletDies(number, time) => {
                if let Some(master) = self.masters.get_mut(number) {
                    master.kubelet_broken = time > Duration::from_secs(10);
                }
                self.kubelet(number, gone(Active::Failed), time);
            }
            Trouble::KubeletIsStopped(number, time) => self.kubelet(number, gone(Active::Inactive), time),
            Trouble::KubeletHangs(number, time) => self.kubelet(number, gone(Active::Active), time),
            Trouble::AllKubelets(time) => {
                for number in 0..MASTERS {
                    self.kubelet(number, gone(Active::Inactive), time);
                }
            }
            Trouble::ApiIs(number, api, time) => self.api(number, api, time),
            Trouble::GuardDies(number, time) => self.end_guard(number, time),
            Trouble::GuardStops(number, time) => self.stop(number, Program::Guard, time),
            Trouble::KeepalivedDies(number, stays) => self.end_keepalived(number, Active::Failed, stays),
            Trouble::KeepalivedIsStopped(number, time) => {
                let works = self.masters.get(number).filter(|master| master.keepalived.works());
                let Some(vrrp) = works.and_then(|master| master.keepalived.runs.as_ref()) else { return };
                let acts = vrrp.core.stops();
                self.act(number, acts);
                self.end_keepalived(number, Active::Inactive, false);
                self.queue.at(time, Event::Starts(number, Program::Keepalived));
            }
            Trouble::KeepalivedPauses(number, time) => self.stop(number, Program::Keepalived, time),
            Trouble::HostDies(number, time) => self.lose_power(number, time),
            Trouble::Cuts(links, time) => {
                self.count("segments cut");
                for link in links {
                    let cut = self.net.cut(link, Cut::Loses);
                    self.queue.at(time, Event::Heals(cut));
                }
            }
            Trouble::Loses(time) => {
                self.lossy = true;
                self.count("times with lost adverts");
                self.queue.at(time, Event::IsWhole);
            }
        }
    }

    fn kubelet(&mut self, number: usize, kubelet: Kubelet, time: Duration) {
        let Some(master) = self.masters.get_mut(number).filter(|master| master.up) else { return };
        master.kubelet = kubelet;
        self.count("kubelets in trouble");
        self.queue.at(time, Event::KubeletIs(number, Kubelet::WELL));
    }

    fn api(&mut self, number: usize, api: Api, time: Duration) {
        let Some(master) = self.masters.get_mut(number).filter(|master| master.up) else { return };
        master.api = api;
        self.count("API servers in trouble");
        self.queue.at(time, Event::ApiIs(number, Api::Answers));
    }

    /// A guard's process is gone; another one begins after so long.
    pub fn end_guard(&mut self, number: usize, time: Duration) {
        let Some(master) = self.masters.get_mut(number).filter(|master| master.guard.runs.is_some()) else { return };
        master.guard.ends();
        self.count("guards that died");
        self.say(format_args!("the guard of m{} is gone", number + 1));
        self.queue.at(time, Event::Starts(number, Program::Guard));
    }

    fn end_keepalived(&mut self, number: usize, unit: Active, stays: bool) {
        let Some(master) = self.masters.get_mut(number).filter(|one| one.keepalived.runs.is_some()) else { return };
        master.keepalived.ends();
        master.unit = unit;
        self.count("keepaliveds that died");
        if !stays {
            self.put_address(number, false);
        }
    }

    fn stop(&mut self, number: usize, program: Program, time: Duration) {
        let Some(master) = self.masters.get_mut(number) else { return };
        let (stopped, life, works) = match program {
            Program::Guard => (&mut master.guard.stopped, master.guard.life, master.guard.runs.is_some()),
            Program::Keepalived => {
                (&mut master.keepalived.stopped, master.keepalived.life, master.keepalived.runs.is_some())
            }
        };
        if !works || std::mem::replace(stopped, true) {
            return;
        }
        self.count("processes stopped");
        self.queue.at(time, Event::GoesOn(number, program, life));
        if program == Program::Guard {
            self.queue.at(WATCHDOG, Event::Watchdog(number, life));
        }
    }

    /// A process goes on: what came meanwhile comes now. Its alarms may ring before it reads what it was sent, or after.
    pub fn goes_on(&mut self, number: usize, program: Program, life: u64) {
        let Some(master) = self.masters.get_mut(number) else { return };
        let (stopped, now, held) = match program {
            Program::Guard => (&mut master.guard.stopped, master.guard.life, &mut master.guard.held),
            Program::Keepalived => {
                (&mut master.keepalived.stopped, master.keepalived.life, &mut master.keepalived.held)
            }
        };
        if now != life || !std::mem::replace(stopped, false) {
            return;
        }
        let mut held = std::mem::take(held);
        if self.times.happens(500) {
            held.reverse();
        }
        for event in held {
            self.queue.at(Duration::ZERO, event);
        }
    }

    /// systemd ends a guard that is still stopped.
    pub fn watchdog(&mut self, number: usize, life: u64) {
        let still = |one: &Master| one.guard.stopped && one.guard.life == life;
        if self.masters.get(number).is_some_and(still) {
            self.end_guard(number, AGAIN);
        }
    }

    fn lose_power(&mut self, number: usize, time: Duration) {
        let Some(master) = self.masters.get_mut(number).filter(|master| master.up) else { return };
        master.lose_power();
        self.count("hosts that died");
        self.say(format_args!("m{} has lost its power", number + 1));
        self.queue.at(time, Event::Boots(number));
    }

    /// A host comes up, and what is on it, one after the other; keepalived after the guard.
    pub fn boots(&mut self, number: usize) {
        let now = self.now();
        let Some(master) = self.masters.get_mut(number).filter(|master| !master.up) else { return };
        (master.up, master.booted) = (true, now);
        self.say(format_args!("m{} boots", number + 1));
        self.after(500, 2_000, Event::Starts(number, Program::Guard));
        self.after(2_000, 5_000, Event::Starts(number, Program::Keepalived));
        self.after(2_000, 20_000, Event::KubeletIs(number, Kubelet::WELL));
        self.after(4_000, 40_000, Event::ApiIs(number, Api::Answers));
    }
}

fn draw(chance: &mut Chance) -> Trouble {
    let number = chance.between(0, MASTERS as u64) as usize;
    let most = chance.pick(&[400, 3_000, 12_000, 60_000]).unwrap_or(12_000);
    let time = Duration::from_millis(chance.between(20, most));
    match chance.between(0, 100) {
        0..10 => Trouble::KubeletDies(number, time),
        10..15 => Trouble::KubeletIsStopped(number, time),
        15..22 => Trouble::KubeletHangs(number, time),
        22..26 => Trouble::AllKubelets(time),
        26..34 => Trouble::ApiIs(number, Api::Gone, time),
        34..40 => Trouble::ApiIs(number, Api::Slow, time),
        40..52 => Trouble::GuardDies(number, time),
        52..58 => Trouble::GuardStops(number, time),
        58..66 => Trouble::KeepalivedDies(number, chance.happens(700)),
        66..70 => Trouble::KeepalivedIsStopped(number, time),
        70..76 => Trouble::KeepalivedPauses(number, time),
        76..86 => Trouble::HostDies(number, time + Duration::from_secs(1)),
        86..96 => Trouble::Cuts(draw_links(chance, number), time),
        _ => Trouble::Loses(time),
    }
}

/// A master from and to all others, or only one way, or only one of the others.
fn draw_links(chance: &mut Chance, number: usize) -> Vec<Link> {
    let link = |from, to| Link { from, to };
    let (one, next) = (Some(Party::Segment(number)), Some(Party::Segment((number + 1) % MASTERS)));
    match chance.between(0, 6) {
        0 => vec![link(one, None)],
        1 => vec![link(None, one)],
        2 => vec![link(one, next)],
        3 => vec![link(one, next), link(next, one)],
        _ => vec![link(one, None), link(None, one)],
    }
}
