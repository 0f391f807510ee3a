//! What becomes of hosts: work that comes to its end, power that goes and comes back, agents that die and start.

use std::time::Duration;

use slipway_agent::journal::Outcome;

use crate::deed::Deed;
use crate::fact::Fact;
use crate::faults::Trouble;
use crate::message::Event;
use crate::world::World;

impl World {
    /// The work of an operation comes to its end.
    pub fn works(&mut self, number: usize, boot: u64, operation: &str) {
        let now = self.wall();
        let deed = self.hosts.get(number).filter(|host| host.boot == boot && host.up);
        let Some(deed) = deed.and_then(|host| host.works.get(operation)).cloned() else { return };
        let outcome = self.does(number, &deed, operation);
        self.say(format_args!("h{} has done {operation}: {outcome:?}", number + 1));
        if outcome == Outcome::Done {
            self.facts.push(Fact::Worked { host: number, operation: operation.to_owned(), deed });
        }
        // The agent may die between the work and the line that says so.
        if !self.calm && self.troubles.happens(20) {
            self.kill_agent(number);
        }
        if let Some(host) = self.hosts.get_mut(number) {
            host.finish(operation, outcome, now);
        }
    }

    fn does(&mut self, number: usize, deed: &Deed, operation: &str) -> Outcome {
        let Some(host) = self.hosts.get_mut(number) else { return Outcome::Unknown };
        match deed {
            Deed::Mask => {
                host.masked = true;
                self.set_kubelet(number, false);
            }
            Deed::Reset => host.joined = false,
            Deed::Restart(release) => {
                host.release = *release;
                self.etcd.set_running(number, true);
                self.set_kubelet(number, true);
            }
            Deed::Join => {
                (host.joined, host.masked) = (true, false);
                self.set_kubelet(number, true);
            }
            Deed::RemoveMember(_) | Deed::AddLearner(_) | Deed::Promote(_) => return self.changes(deed, operation),
        }
        Outcome::Done
    }

    fn changes(&mut self, deed: &Deed, operation: &str) -> Outcome {
        let before = self.etcd.members();
        let changed = match deed {
            Deed::RemoveMember(id) => self.etcd.remove(*id),
            Deed::AddLearner(host) => {
                let node = self.hosts.get(*host).map(|host| host.node.clone());
                node.map_or(Ok(()), |node| self.etcd.add_learner(*host, &node))
            }
            Deed::Promote(id) => self.etcd.promote(*id),
            _ => Ok(()),
        };
        let after = self.etcd.members();
        if before.len() != after.len() || before.iter().zip(&after).any(|(a, b)| a.learner != b.learner) {
            self.count("changes of etcd's members");
            self.facts.push(Fact::Members { before, after, run: Self::run_of(operation) });
        }
        if changed.is_ok() { Outcome::Done } else { Outcome::Failed }
    }

    /// The agent's process ends, and is started again.
    pub fn kill_agent(&mut self, number: usize) {
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.has_agent()) else { return };
        host.kill_agent();
        self.say(format_args!("the agent of h{} is killed", number + 1));
        self.count("agents killed");
        let after = Duration::from_millis(self.troubles.between(100, 8_000));
        self.at(after, Event::AgentStarts(number));
    }

    /// The agent's process begins.
    pub fn start_agent(&mut self, number: usize) {
        let now = self.wall();
        if let Some(host) = self.hosts.get_mut(number).filter(|host| host.up && !host.has_agent()) {
            host.start_agent(now);
        }
    }

    /// The power of a host goes, and comes back after so long.
    pub fn lose_power(&mut self, number: usize, away: Duration) {
        let Some(host) = self.hosts.get_mut(number).filter(|host| host.up) else { return };
        host.lose_power();
        self.say(format_args!("h{} loses its power", number + 1));
        self.count("power cuts");
        self.facts.push(Fact::LostPower(number));
        self.etcd.set_running(number, false);
        self.set_kubelet(number, false);
        if let Some(process) = self.processes.get_mut(number) {
            process.exits = true;
        }
        self.at(away, Event::Boots(number));
    }

    /// A host comes up.
    pub fn boot(&mut self, number: usize) {
        let Some(host) = self.hosts.get_mut(number).filter(|host| !host.up) else { return };
        host.boot();
        let (kubelet, joined) = (host.kubelet, host.joined);
        self.say(format_args!("h{} is up again", number + 1));
        self.etcd.set_running(number, joined);
        self.set_kubelet(number, kubelet);
        self.at(Duration::from_millis(300), Event::AgentStarts(number));
        // What was on its way to the host before may come now.
        if !self.calm && self.troubles.happens(400) {
            let after = Duration::from_millis(self.troubles.between(400, 6_000));
            let which = self.troubles.draw();
            self.at(after, Event::Goes(Trouble::ComesLate(number, which)));
        }
    }

    /// The cluster notices how a kubelet is.
    pub fn notices(&mut self, number: usize) {
        let Some(host) = self.hosts.get(number) else { return };
        let (node, role, runs) = (host.node.clone(), host.role, host.up && host.kubelet && host.joined);
        if !self.api_answers() {
            return self.at(Duration::from_secs(2), Event::Notices(number));
        }
        if runs && self.api.node(&node).is_none() {
            self.api.register(&node, role);
            self.say(format_args!("{node} registers"));
        } else if self.api.set_ready(&node, runs) {
            self.say(format_args!("{node} is {}", if runs { "ready" } else { "not ready" }));
        }
    }
}
