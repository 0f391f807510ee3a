//! What goes wrong, and when: drawn from the seed before anything happens, so that a failure can be told as a list.

use std::time::Duration;

use slipway_agent::operations::Start;
use slipway_types::{Fence, Lineage, Term};

use crate::deed::Deed;
use crate::message::{Ask, Event};
use crate::net::{Cut, Link};
use crate::party::Party;
use crate::world::World;

/// Something that goes wrong.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// A coordinator's process is killed.
    KillsCoordinator(usize),
    /// A coordinator's process is stopped for so long.
    StopsCoordinator(usize, Duration),
    /// An agent's process is killed.
    KillsAgent(usize),
    /// A host's power goes for so long.
    CutsPower(usize, Duration),
    /// Links are cut for so long.
    CutsLink(Link, Cut, Duration),
    /// The store has no majority for so long.
    StoreAway(Duration),
    /// The API server answers nothing for so long.
    ApiAway(Duration),
    /// A command that an agent has had comes again.
    ComesAgain(u64),
    /// A command that this agent has had comes again.
    ComesLate(usize, u64),
    /// What the leader sends to agents is held back for so long, and its process dies, or stops, meanwhile.
    Strands {
        /// For so long.
        held: Duration,
        /// It dies after that.
        dies: Duration,
        /// Or rather stops.
        stops: bool,
    },
    /// A coordinator that nobody gave a leadership commands an agent.
    Pretends(usize, u64),
}

impl World {
    /// Draws all troubles of the time until `end`.
    pub fn draw_troubles(&mut self, end: Duration) {
        let count = self.troubles.between(4, 16);
        for _ in 0..count {
            let after = Duration::from_millis(self.troubles.between(1_000, end.as_millis() as u64));
            let trouble = self.draw_trouble();
            self.at(after, Event::Goes(trouble));
        }
    }

    fn draw_trouble(&mut self) -> Trouble {
        let (hosts, coordinators) = (self.hosts.len() as u64, self.processes.len() as u64);
        let chance = &mut self.troubles;
        let time = |chance: &mut crate::chance::Chance, low, high| Duration::from_millis(chance.between(low, high));
        let coordinator = chance.between(0, coordinators) as usize;
        let host = chance.between(0, hosts) as usize;
        match chance.between(0, 100) {
            0..18 => Trouble::KillsCoordinator(coordinator),
            18..32 => Trouble::StopsCoordinator(coordinator, time(chance, 500, 60_000)),
            32..42 => Trouble::KillsAgent(host),
            42..55 => Trouble::CutsPower(host, time(chance, 5_000, 150_000)),
            55..75 => {
                let link = draw_link(chance, coordinator, host);
                let cut = if chance.happens(500) { Cut::Loses } else { Cut::Holds };
                Trouble::CutsLink(link, cut, time(chance, 1_000, 40_000))
            }
            75..80 => Trouble::StoreAway(time(chance, 500, 20_000)),
            80..86 => Trouble::ApiAway(time(chance, 500, 100_000)),
            86..90 => Trouble::ComesAgain(chance.draw()),
            90..96 => Trouble::Strands {
                held: time(chance, 5_000, 28_000),
                dies: time(chance, 50, 2_500),
                stops: chance.happens(300),
            },
            _ => Trouble::Pretends(host, chance.between(0, 4)),
        }
    }

    /// Something goes wrong.
    pub fn go_wrong(&mut self, trouble: Trouble) {
        if self.calm {
            return;
        }
        self.say(format_args!("trouble: {trouble:?}"));
        match trouble {
            Trouble::KillsCoordinator(number) => {
                if let Some(process) = self.processes.get_mut(number).filter(|process| process.runs) {
                    process.exits = true;
                    self.count("coordinators killed");
                }
            }
            Trouble::StopsCoordinator(number, time) => {
                if let Some(process) = self.processes.get_mut(number).filter(|one| one.runs && !one.stopped) {
                    process.stopped = true;
                    self.count("coordinators stopped");
                    self.at(time, Event::Continues(number));
                }
            }
            Trouble::KillsAgent(number) => self.kill_agent(number),
            Trouble::CutsPower(number, time) => self.lose_power(number, time),
            Trouble::CutsLink(link, cut, time) => {
                let cut = self.net.cut(link, cut);
                self.count("links cut");
                self.at(time, Event::Heals(cut));
            }
            Trouble::StoreAway(time) => {
                self.store.answers = false;
                self.count("times without the store");
                self.at(time, Event::StoreIsBack);
            }
            Trouble::ApiAway(time) => {
                self.api_away = self.now() + time;
                self.count("times without the API server");
            }
            Trouble::ComesAgain(which) => self.come_again(None, which),
            Trouble::ComesLate(host, which) => self.come_again(Some(host), which),
            Trouble::Strands { held, dies, stops } => self.strand(held, dies, stops),
            Trouble::Pretends(host, how) => self.pretend(host, how),
        }
    }

    fn come_again(&mut self, host: Option<usize>, which: u64) {
        let of_host = |(of, _): &&(usize, Ask)| host.is_none_or(|host| host == *of);
        let old: Vec<(usize, Ask)> = self.old.iter().filter(of_host).cloned().collect();
        if let Some((host, ask)) = old.get((which % (old.len() as u64).max(1)) as usize).cloned() {
            self.count("old commands that came again");
            self.arrive_unasked(host, ask);
        }
    }

    fn strand(&mut self, held: Duration, dies: Duration, stops: bool) {
        let holder = self.store.high_water().holder;
        let Some(leader) = self.processes.iter().position(|process| process.runs && process.holder == holder) else {
            return;
        };
        self.count("leaders stranded");
        for host in 0..self.hosts.len() {
            let link = Link { from: Some(Party::Coordinator(leader)), to: Some(Party::Agent(host)) };
            let cut = self.net.cut(link, Cut::Holds);
            self.at(held, Event::Heals(cut));
        }
        let end = if stops { Trouble::StopsCoordinator(leader, held * 2) } else { Trouble::KillsCoordinator(leader) };
        self.at(dies, Event::Goes(end));
    }

    fn arrive_unasked(&mut self, host: usize, ask: Ask) {
        let call = self.next_id();
        let (from, to) = (Party::Operator, Party::Agent(host));
        self.at(Duration::ZERO, Event::Arrives { from, to, call, ask, life: 0, sent: Duration::ZERO });
    }

    /// A coordinator on a copy of the store, one of another store, one that was deposed, and one for another boot.
    fn pretend(&mut self, number: usize, how: u64) {
        let not_after = self.wall() + Duration::from_secs(30);
        let call = self.next_id();
        let Some(host) = self.hosts.get(number) else { return };
        let (Some(kept), mut target) = (host.fence(), host.target()) else { return };
        let fence = match how {
            0 => Fence { holder: "copy/1".to_owned(), ..kept },
            1 => Fence { lineage: Lineage("other".to_owned()), term: Term(kept.term.0 + 5), ..kept },
            2 if kept.term.0 > 1 => Fence { term: Term(kept.term.0 - 1), holder: "old/1".to_owned(), ..kept },
            _ => {
                "boot-0".clone_into(&mut target.boot_id);
                kept
            }
        };
        self.count("commands of pretenders");
        let start = Start {
            caller: "coordinator/pretender".to_owned(),
            id: format!("pretended-{call}/mask/1"),
            target,
            fence,
            not_after,
            action_name: Deed::Mask.name(),
            action: Deed::Mask.bytes(),
            secret: None,
        };
        self.arrive_unasked(number, Ask::Begin(Box::new(start)));
    }
}

fn draw_link(chance: &mut crate::chance::Chance, coordinator: usize, host: usize) -> Link {
    let (coordinator, agent) = (Some(Party::Coordinator(coordinator)), Some(Party::Agent(host)));
    let ends = [
        (coordinator, None),
        (None, coordinator),
        (coordinator, Some(Party::Store)),
        (Some(Party::Store), coordinator),
        (coordinator, Some(Party::Api)),
        (Some(Party::Api), coordinator),
        (None, agent),
        (agent, None),
        (coordinator, agent),
        (agent, coordinator),
    ];
    let (from, to) = chance.pick(&ends).unwrap_or((coordinator, None));
    Link { from, to }
}
