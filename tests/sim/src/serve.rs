//! What the parties that are no coordinators do with a question when it arrives: they act at once, answer, and say what became of it.

use std::time::Duration;

use slipway_agent::operations::Start;
use slipway_cluster::REQUEST_DEADLINE;
use slipway_errors::{Code, Coded};
use slipway_types::{Fence, NodeName, RunId};

use crate::deed::Deed;
use crate::fact::Fact;
use crate::faults::Trouble;
use crate::message::{Answer, Ask, Change, Event, Reply, Write};
use crate::party::Party;
use crate::store::Changed;
use crate::world::{MASTERS, World};

/// A question that has arrived.
#[derive(Debug)]
pub struct Question {
    /// Who asks.
    pub from: Party,
    /// Who is asked.
    pub to: Party,
    /// The call.
    pub call: u64,
    /// What.
    pub ask: Ask,
    /// The asker's life.
    pub life: u64,
    /// When it was sent.
    pub sent: Duration,
}

/// What was sent so shortly before a process ended arrives all the same.
const ON_THE_WIRE: Duration = Duration::from_millis(15);
/// So many old commands are kept.
const OLD: usize = 200;

impl World {
    /// Takes a question to whoever is asked.
    pub fn serve(&mut self, question: Question) {
        let Question { from, to, call, ask, life, sent } = question;
        match to {
            Party::Store => self.serve_store(from, call, ask),
            Party::Api => {
                // A request ends with its connection, and that with its process, unless it had as good as arrived, or when it is given up.
                let ended = |number: usize| self.processes.get(number).filter(|process| process.life != life);
                let ended = if let Party::Coordinator(number) = from { ended(number) } else { None };
                let gone = ended.is_some_and(|process| self.now().saturating_sub(process.ended) > ON_THE_WIRE);
                if gone || self.now().saturating_sub(sent) >= REQUEST_DEADLINE {
                    return;
                }
                self.may_stop(from, &ask);
                let reply = self.serve_api(ask, sent);
                self.reply(Party::Api, from, call, reply);
            }
            Party::Agent(host) => {
                if let Some(reply) = self.serve_agent(host, ask) {
                    self.reply(to, from, call, reply);
                }
            }
            Party::Coordinator(number) => self.put_into_inbox(number, ask),
            Party::Operator | Party::Segment(_) => {}
        }
    }

    /// A process may be stopped between its look and the write that follows from it.
    fn may_stop(&mut self, from: Party, ask: &Ask) {
        let looks = matches!(ask, Ask::Node(_) | Ask::Pods(_));
        if let (true, Party::Coordinator(number)) = (looks && !self.calm && self.troubles.happens(6), from) {
            let time = Duration::from_millis(self.troubles.between(4_000, 40_000));
            self.at(Duration::ZERO, Event::Goes(Trouble::StopsCoordinator(number, time)));
        }
    }

    fn put_into_inbox(&mut self, number: usize, ask: Ask) {
        let Some(process) = self.processes.get_mut(number).filter(|process| process.runs) else { return };
        process.inbox.push(ask);
        if let Some(reader) = process.reader.take() {
            reader.wake();
        }
    }

    fn serve_store(&mut self, from: Party, call: u64, ask: Ask) {
        if !self.store.answers {
            return;
        }
        let now = self.now();
        let (reply, changed) = self.store.take(call, ask, now);
        match changed {
            Some(Changed::Won(fence, deposed)) => {
                self.say(format_args!("the store gives {fence}"));
                self.count("leaderships");
                self.facts.push(Fact::Won { fence, deposed });
                self.at(slipway_store::signs::LEASE, Event::Lease);
            }
            Some(Changed::Appended(run, after, by, leader)) => {
                for entry in self.store.journal_after(&run, after) {
                    let text = format!("{:?}", entry.event);
                    let what = text.split([' ', '{']).next().unwrap_or_default();
                    let step = entry.event.step().map(ToString::to_string).unwrap_or_default();
                    self.say(format_args!("{run} {what} {step}"));
                }
                self.facts.push(Fact::Appended { run, after, by, leader });
            }
            None => {}
        }
        self.tell_vacancy();
        if let Some(reply) = reply {
            self.reply(Party::Store, from, call, reply);
        }
    }

    /// Whoever waits for the leader's end hears of it.
    pub fn tell_vacancy(&mut self) {
        let now = self.now();
        for call in self.store.vacant(now) {
            // Whose call it is does not matter to the network's usual delay.
            let late = self.net.usual();
            self.at(late, Event::Answers(call, Ok(Answer::Done)));
        }
    }

    fn serve_api(&mut self, ask: Ask, sent: Duration) -> Reply {
        if !self.api_answers() || (!self.calm && self.troubles.happens(10)) {
            return Err(Coded::new(Code::KUBE_UNREACHABLE, "the API server does not answer"));
        }
        match ask {
            Ask::Nodes => Ok(Answer::Nodes(self.api.nodes().cloned().collect())),
            Ask::Node(name) => Ok(Answer::Nodes(self.api.node(&name).cloned().into_iter().collect())),
            Ask::Pods(name) => Ok(Answer::Pods(self.api.pods(&name))),
            Ask::Write(write) => self.write(*write, sent),
            _ => Err(Coded::new(Code::KUBE_REFUSED, "no such question")),
        }
    }

    fn write(&mut self, write: Write, sent: Duration) -> Reply {
        let uid = self.api.node(&write.node).map(|node| node.uid.clone()).unwrap_or_default();
        let before = self.api.cordoner(&write.node).cloned();
        let now = self.now();
        if matches!(write.change, Change::Evict) && self.api.is_protected(&write.node, now) {
            return Err(Coded::new(Code::KUBE_REFUSED, "a disruption budget of pods forbids it"));
        }
        self.api.write(&write)?;
        let after = self.api.cordoner(&write.node).cloned();
        let kind = match &write.change {
            Change::Patch { patch, .. } if patch["spec"]["unschedulable"] == true => "cordons",
            Change::Patch { .. } => "uncordons",
            Change::Delete(_) => "deletes",
            Change::Evict => "evicts from",
        };
        self.say(format_args!("{} {kind} {} under {}", write.run, write.node, write.by));
        if kind == "cordons" && !self.calm {
            self.hinder(&write.node);
        }
        self.count("writes to the API server");
        self.facts.push(Fact::Written { write: Box::new(write), sent, uid, before, after });
        Ok(Answer::Done)
    }

    /// The pods of a node that is to be emptied may be protected for a while; and of the masters another one may fail meanwhile.
    fn hinder(&mut self, node: &NodeName) {
        let (now, host) = (self.now(), self.host_of(node).unwrap_or_default());
        if !self.people.happens(300) {
            return;
        }
        let other = (host + 1) % MASTERS;
        let fails = host < MASTERS && self.troubles.happens(350);
        let least = if fails { 75_000 } else { 5_000 };
        let until = now + Duration::from_millis(self.people.between(least, 150_000));
        self.api.protect(node, until);
        if fails {
            let (after, away) = (self.troubles.between(500, 8_000), self.troubles.between(100_000, 160_000));
            let trouble = Trouble::CutsPower(other, Duration::from_millis(away));
            self.at(Duration::from_millis(after), Event::Goes(trouble));
        }
    }

    fn serve_agent(&mut self, number: usize, ask: Ask) -> Option<Reply> {
        let now = self.wall();
        let host = self.hosts.get_mut(number).filter(|host| host.up)?;
        if !host.has_agent() {
            return Some(Err(Coded::new(Code::WIRE_UNREACHABLE, "no agent listens there")));
        }
        if matches!(ask, Ask::Raise(_) | Ask::Begin(_)) {
            if self.old.len() >= OLD {
                self.old.remove(0);
            }
            self.old.push((number, ask.clone()));
        }
        Some(match ask {
            Ask::Identify => Ok(Answer::Identity(host.target().boot_id, host.fence())),
            Ask::Raise(fence) => self.raise(number, fence),
            Ask::Begin(start) => self.begin(number, &start),
            Ask::Follow(operation) => host.follow(&operation),
            Ask::Check(deed) => Ok(Answer::Is(host.is_so(&deed) == Some(true))),
            Ask::Members if self.etcd.of_host(number).is_some_and(|seat| seat.runs) && self.etcd.agrees() => {
                Ok(Answer::Members(self.etcd.members()))
            }
            Ask::Members => Err(Coded::new(Code::QUORUM_LOST, "etcd does not answer here")),
            _ => Err(Coded::new(Code::WIRE_BAD_REQUEST, format!("no such question at {now}"))),
        })
    }

    fn raise(&mut self, number: usize, fence: Fence) -> Reply {
        let now = self.wall();
        let reply = self.hosts.get_mut(number).map_or(Ok(Answer::Done), |host| host.raise(&fence, now));
        if reply.is_ok() {
            self.facts.push(Fact::Raised { host: number, fence });
        } else {
            self.count("commands refused by a fence");
        }
        reply
    }

    fn begin(&mut self, number: usize, start: &Start) -> Reply {
        let now = self.wall();
        let Some(host) = self.hosts.get_mut(number) else { return Ok(Answer::Done) };
        let here = host.target();
        let taken = host.begin(start, now);
        if let Err(error) = &taken.reply {
            self.count(if error.code == Code::FENCE_BUSY {
                "commands to a busy agent"
            } else {
                "commands refused by a fence"
            });
        }
        if let Some(deed) = taken.begun {
            self.say(format_args!("h{} begins {} under {}", number + 1, start.id, start.fence));
            self.count("operations");
            self.begins(number, &deed);
            let boot = self.hosts.get(number).map_or(0, |host| host.boot);
            let takes = deed.takes();
            let works = Event::Works { host: number, boot, operation: start.id.clone() };
            self.facts.push(Fact::Begun { host: number, start: Box::new(start.clone()), deed, here, now });
            self.at(takes, works);
        }
        taken.reply
    }

    /// What a deed does to its host at once.
    fn begins(&mut self, number: usize, deed: &Deed) {
        if matches!(deed, Deed::Restart(_) | Deed::Reset) {
            self.etcd.set_running(number, false);
            self.set_kubelet(number, false);
        }
        if *deed == Deed::Reset && !self.calm && self.people.happens(60) {
            let after = Duration::from_millis(self.people.between(500, 4_000));
            self.at(after, Event::Replaces(number));
        }
    }

    /// A kubelet starts or ends; the cluster notices that later.
    pub fn set_kubelet(&mut self, number: usize, runs: bool) {
        let Some(host) = self.hosts.get_mut(number) else { return };
        host.kubelet = runs;
        let after = if runs { 1_500 } else { 8_000 };
        self.at(Duration::from_millis(after), Event::Notices(number));
    }

    /// The run of an operation.
    pub fn run_of(operation: &str) -> RunId {
        RunId::from(operation.split('/').next().unwrap_or_default())
    }
}
