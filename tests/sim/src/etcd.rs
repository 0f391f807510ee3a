//! The cluster's etcd: who is a member, who of them runs, and that nothing is agreed on without a quorum. What may be done to it is decided by the
//! product; etcd itself only takes part where it must.

use slipway_cluster::etcd::{Member, MemberId};
use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

/// A member and where it runs.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Its id.
    pub id: u64,
    /// The number of its host.
    pub host: usize,
    /// The node of that host.
    pub node: NodeName,
    /// It does not vote yet.
    pub learner: bool,
    /// Its process runs.
    pub runs: bool,
}

/// The cluster's etcd.
#[derive(Debug, Default)]
pub struct Etcd {
    seats: Vec<Seat>,
    ids: u64,
}

impl Etcd {
    /// The members.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The member of a host.
    pub fn of_host(&self, host: usize) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.host == host)
    }

    /// The first members, before anything happens.
    pub fn begin_with(&mut self, host: usize, node: &NodeName) {
        self.ids += 1;
        self.seats.push(Seat { id: self.ids, host, node: node.clone(), learner: false, runs: true });
    }

    /// The process of a host's member starts or ends.
    pub fn set_running(&mut self, host: usize, runs: bool) {
        for seat in self.seats.iter_mut().filter(|seat| seat.host == host) {
            seat.runs = runs;
        }
    }

    /// Whether it can agree on anything.
    pub fn agrees(&self) -> bool {
        let voters = self.seats.iter().filter(|seat| !seat.learner).count();
        self.seats.iter().filter(|seat| !seat.learner && seat.runs).count() > voters / 2
    }

    /// The members as an operator's look shows them.
    pub fn members(&self) -> Vec<Member> {
        let agrees = self.agrees();
        let member = |seat: &Seat| Member {
            id: MemberId(seat.id),
            name: seat.node.to_string(),
            peer_urls: Vec::new(),
            client_urls: Vec::new(),
            learner: seat.learner,
            healthy: seat.runs && agrees,
            version: String::new(),
            db_size: 0,
            leader: false,
            raft_index: 0,
            alarms: Vec::new(),
        };
        self.seats.iter().map(member).collect()
    }

    /// A member leaves.
    pub fn remove(&mut self, id: u64) -> Result<(), Coded> {
        self.quorum()?;
        self.seats.retain(|seat| seat.id != id);
        Ok(())
    }

    /// The member of a host comes, as a learner.
    pub fn add_learner(&mut self, host: usize, node: &NodeName) -> Result<(), Coded> {
        self.quorum()?;
        if self.of_host(host).is_none() {
            self.ids += 1;
            self.seats.push(Seat { id: self.ids, host, node: node.clone(), learner: true, runs: true });
        }
        Ok(())
    }

    /// A learner begins to vote.
    pub fn promote(&mut self, id: u64) -> Result<(), Coded> {
        self.quorum()?;
        match self.seats.iter_mut().find(|seat| seat.id == id && seat.runs) {
            Some(seat) => {
                seat.learner = false;
                Ok(())
            }
            None => Err(Coded::new(Code::AGENT_BAD_ARGUMENT, "no learner of that id runs")),
        }
    }

    fn quorum(&self) -> Result<(), Coded> {
        if self.agrees() { Ok(()) } else { Err(Coded::new(Code::QUORUM_LOST, "etcd has no quorum")) }
    }
}
