//! What people do: operators who ask whichever coordinator they think leads, look after runs that stand still, and change their minds; and others
//! who work on the cluster with other means.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_events::{Event as Entry, RunState};
use slipway_flow::{Book, Command};
use slipway_types::{NodeName, NodeRole, RunId};

use crate::message::{Ask, Event};
use crate::party::Party;
use crate::world::World;

/// What an operator wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Takes a node out of scheduling.
    Isolate(NodeName),
    /// Puts it back.
    Recover(NodeName),
    /// Empties it.
    Drain(NodeName),
    /// Takes it out of the cluster.
    Remove {
        /// The node.
        node: NodeName,
        /// Yes to an etcd that survives fewer failures.
        less_tolerance: bool,
        /// Yes to an etcd of one member.
        one_member: bool,
    },
    /// Makes a node of a host that waits.
    Join(NodeName),
    /// Brings nodes to a release, the masters one by one, the workers within their budget.
    Restart {
        /// The masters, or the workers.
        masters: bool,
        /// The release.
        release: u32,
    },
}

impl World {
    /// An operator asks for something, and will again.
    pub fn wants(&mut self) {
        if self.calm {
            return;
        }
        let next = Duration::from_millis(self.people.between(4_000, 25_000));
        self.at(next, Event::Wants);
        let open = self.books();
        if !open.is_empty() && self.people.happens(250) {
            let run = self.people.pick(&open).map(|book| book.run);
            let command = match self.people.between(0, 3) {
                0 => Command::Pause,
                1 => Command::PauseNow,
                _ => Command::Abort,
            };
            if let Some(run) = run {
                self.steer(&run, command);
            }
            return;
        }
        let wish = self.draw_wish();
        self.say(format_args!("an operator wants {wish:?}"));
        // Several ask at the same time, now and then.
        if self.people.happens(300) {
            let other = self.draw_wish();
            self.ask_leader(Ask::Wish(other));
        }
        self.ask_leader(Ask::Wish(wish));
    }

    fn draw_wish(&mut self) -> Wish {
        let host = self.people.between(0, self.hosts.len() as u64) as usize;
        let (node, joined, role) = match self.hosts.get(host) {
            Some(host) => (host.node.clone(), host.joined, host.role),
            None => return Wish::Restart { masters: true, release: 2 },
        };
        if !joined {
            return Wish::Join(node);
        }
        let release = self.hosts.iter().map(|host| host.release).max().unwrap_or(1);
        let release = release + u32::from(self.people.happens(600));
        match self.people.between(0, 100) {
            0..8 => Wish::Isolate(node),
            8..20 => Wish::Recover(node),
            20..36 => Wish::Drain(node),
            36..62 => {
                let less_tolerance = role == NodeRole::ControlPlane && self.people.happens(650);
                Wish::Remove { node, less_tolerance, one_member: less_tolerance && self.people.happens(200) }
            }
            62..82 => Wish::Restart { masters: true, release },
            _ => Wish::Restart { masters: false, release },
        }
    }

    /// An operator knows no better than to ask everybody: who does not lead does not listen.
    fn ask_leader(&mut self, ask: Ask) {
        for number in 0..self.processes.len() {
            let call = self.next_id();
            self.send(Party::Operator, Party::Coordinator(number), call, ask.clone());
        }
    }

    /// The runs that have not ended, as their journals have them.
    pub fn books(&self) -> Vec<Book> {
        let open = self.store.runs().into_iter().filter(|head| !head.ended());
        open.map(|head| Book::fold(head.first.run.clone(), &self.store.journal(&head.first.run))).collect()
    }

    fn steer(&mut self, run: &RunId, command: Command) {
        self.say(format_args!("an operator says {} to {run}", command.as_str()));
        self.ask_leader(Ask::Steer(run.clone(), command));
    }

    /// An operator looks at runs that stand still.
    pub fn looks_after(&mut self) {
        let next = Duration::from_millis(self.people.between(8_000, 20_000));
        self.at(next, Event::LooksAfter);
        for book in self.books() {
            if book.state != RunState::Paused {
                continue;
            }
            let command = match self.people.between(0, 10) {
                0..6 => Command::Resume,
                6..8 => Command::Abort,
                _ => Command::GiveUp("a person does the rest".to_owned()),
            };
            self.steer(&book.run, command);
        }
    }

    /// Somebody works on the cluster with other means.
    pub fn meddles(&mut self) {
        let names: Vec<NodeName> = self.api.nodes().map(|node| node.name.clone()).collect();
        let (Some(node), what) = (self.people.pick(&names), self.people.between(0, 10)) else { return };
        if !self.api_answers() {
            return;
        }
        let done = match what {
            0..5 => self.api.meddle(&node, true),
            5..8 => self.api.meddle(&node, false),
            _ => {
                self.api.vanish(&node);
                true
            }
        };
        if done {
            self.say(format_args!("somebody {} {node}", ["cordons", "uncordons", "deletes"][(what / 4) as usize]));
            self.count("changes by others");
            if let Some(host) = self.host_of(&node) {
                self.at(Duration::from_secs(2), Event::Notices(host));
            }
        }
    }

    /// Another host takes the name of a Node whose host is being taken down.
    pub fn replaces(&mut self, host: usize) {
        let Some((node, role)) = self.hosts.get(host).map(|host| (host.node.clone(), host.role)) else { return };
        if self.api.node(&node).is_some() && self.api_answers() {
            self.api.vanish(&node);
            self.api.register(&node, role);
            self.say(format_args!("another host registers as {node}"));
            self.count("changes by others");
        }
    }

    /// Whether a run of these entries is of a flow that leaves its cordon on purpose.
    pub fn leaves_cordon(entries: &[slipway_events::Entry]) -> bool {
        entries.iter().any(|entry| {
            matches!(&entry.event, Entry::Planned { flow, .. } if ["isolate", "drain", "remove"].contains(&flow.as_str()))
        })
    }
}
