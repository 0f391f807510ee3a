//! A host: its disk, its boots, what Kubernetes has put on it, and its agent. The agent is the product's gate, with its fence and its journal on
//! this disk; what an action does to the host happens here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use slipway_agent::disk::Keep;
use slipway_agent::fence::kept::Kept;
use slipway_agent::fence::{Boot, Claim, Here};
use slipway_agent::journal::{self, End, Journal, Outcome};
use slipway_agent::operations::Start;
use slipway_agent::operations::gate::{Gate, Live, Started};
use slipway_agent::operations::returned;
use slipway_agent::witness::{Note, Record, Witness};
use slipway_errors::{Code, Coded};
use slipway_proto::types::Target;
use slipway_types::{Fence, NodeName, NodeRole, SequentialIds, Timestamp};

use crate::deed::{Deed, view};
use crate::disk::SimDisk;
use crate::message::{Answer, Reply};
use crate::mutants::Mutant;

/// The cluster's name.
pub const CLUSTER: &str = "sim";
const STATE: &str = "/state";

/// Audit records that nobody reads here.
#[derive(Debug)]
struct Unread;

impl Record for Unread {
    fn record(&self, _note: &Note) -> std::io::Result<()> {
        Ok(())
    }
}

/// An agent at work.
#[derive(Debug)]
struct Agent {
    gate: Gate,
    live: BTreeMap<String, Arc<Live>>,
}

/// A host.
#[derive(Debug)]
pub struct Host {
    /// The node that it serves as, or will.
    pub node: NodeName,
    /// What that node is for.
    pub role: NodeRole,
    /// It has power.
    pub up: bool,
    /// Counts its boots.
    pub boot: u64,
    /// Kubernetes is on it.
    pub joined: bool,
    /// Its kubelet may not be started.
    pub masked: bool,
    /// Its kubelet runs.
    pub kubelet: bool,
    /// The release of its parts.
    pub release: u32,
    /// Work under way, by operation.
    pub works: BTreeMap<String, Deed>,
    /// Work of long commands that has ended unseen.
    ended: BTreeMap<String, Deed>,
    disk: Arc<SimDisk>,
    agent: Option<Agent>,
    witness: Witness,
    mutant: Option<Mutant>,
    ids: SequentialIds,
    number: usize,
}

/// What came of a command.
#[derive(Debug)]
pub struct Taken {
    /// What the asker is told.
    pub reply: Reply,
    /// An operation that has begun now.
    pub begun: Option<Deed>,
}

impl Host {
    /// A host whose agent has just been enrolled.
    pub fn new(number: usize, node: NodeName, role: NodeRole, joined: bool, mutant: Option<Mutant>) -> Self {
        let disk = Arc::new(SimDisk::new(mutant == Some(Mutant::NoFsync)));
        let mut host = Self {
            node,
            role,
            up: true,
            boot: 1,
            joined,
            masked: false,
            kubelet: joined,
            release: 1,
            works: BTreeMap::new(),
            ended: BTreeMap::new(),
            disk,
            agent: None,
            witness: Witness::new(Arc::new(Unread)),
            mutant,
            ids: SequentialIds::default(),
            number,
        };
        host.start_agent(Timestamp::UNIX_EPOCH);
        host
    }

    /// For which host and boot commands have to be meant.
    pub fn target(&self) -> Target {
        let here = self.here();
        Target { cluster: here.cluster, host_id: here.host_id, boot_id: here.boot_id }
    }

    fn here(&self) -> Here {
        Here {
            cluster: CLUSTER.to_owned(),
            host_id: format!("host-{}", self.number + 1),
            boot_id: format!("boot-{}", self.boot),
        }
    }

    /// The agent's process runs.
    pub const fn has_agent(&self) -> bool {
        self.agent.is_some()
    }

    /// The fence that the agent obeys.
    pub fn fence(&self) -> Option<Fence> {
        self.agent.as_ref().and_then(|agent| agent.gate.seen().fence)
    }

    /// Starts the agent's process, which takes up what a former one left open.
    pub fn start_agent(&mut self, now: Timestamp) {
        let Some(gate) = self.up.then(|| self.open()).flatten() else { return };
        self.agent = Some(Agent { gate, live: BTreeMap::new() });
        let left = self.agent.as_ref().map(|agent| agent.gate.left_open()).unwrap_or_default();
        for id in left {
            self.take_up(&id, now);
        }
    }

    fn open(&self) -> Option<Gate> {
        let (disk, state): (Arc<dyn Keep>, _) = (self.disk.clone(), Path::new(STATE));
        let first_start = !journal::exists(disk.as_ref(), state).ok()?;
        let kept = Kept::open(disk.clone(), state, first_start).ok()?;
        Some(Gate::new(self.here(), kept, Journal::open(disk, state, &self.ids).ok()?))
    }

    fn take_up(&mut self, id: &str, now: Timestamp) {
        let Some(Ok(live)) = self.agent.as_mut().map(|agent| agent.gate.come_back(id)) else { return };
        let deed = hex::decode(&live.entry.action).ok().and_then(|bytes| Deed::read(&bytes));
        let runs = self.works.contains_key(id);
        let ended = self.ended.contains_key(id);
        if let Some(agent) = &mut self.agent {
            agent.live.insert(id.to_owned(), live);
        }
        if runs {
            return;
        }
        let outcome = match deed {
            _ if ended => Outcome::Done,
            Some(deed) => returned::judge(deed.name(), &view(self.is_so(&deed) == Some(true))).0,
            None => Outcome::Unknown,
        };
        self.finish(id, outcome, now);
    }

    /// The agent's process ends. What runs inside it ends too.
    pub fn kill_agent(&mut self) {
        self.agent = None;
        self.works.retain(|_, deed| deed.outlives_agent());
    }

    /// The power goes.
    pub fn lose_power(&mut self) {
        self.kill_agent();
        self.disk.lose_power();
        self.works.clear();
        self.ended.clear();
        (self.up, self.kubelet) = (false, false);
    }

    /// The power comes back, as another boot.
    pub fn boot(&mut self) {
        (self.up, self.boot) = (true, self.boot + 1);
        self.kubelet = self.joined && !self.masked;
    }

    /// Whether the host is as the deed wants it; none where that is not to be seen on the host.
    pub fn is_so(&self, deed: &Deed) -> Option<bool> {
        match deed {
            Deed::Mask => Some(self.masked && !self.kubelet),
            Deed::Reset => Some(!self.joined),
            Deed::Restart(release) => Some(self.release == *release && self.kubelet),
            Deed::Join => Some(self.joined && self.kubelet),
            Deed::RemoveMember(_) | Deed::AddLearner(_) | Deed::Promote(_) => None,
        }
    }

    /// Obeys a leadership from now on.
    pub fn raise(&mut self, fence: &Fence, now: Timestamp) -> Reply {
        let (target, offered) = (self.target(), self.as_let_in(fence));
        let Some(agent) = &mut self.agent else { return Err(silent()) };
        let claim = Claim { target: &target, fence: &offered, not_after: None };
        agent.gate.admit(claim, Boot::Any, now).map(|()| Answer::Done)
    }

    /// The fence that the gate is shown: another one where a bug is put in.
    fn as_let_in(&self, offered: &Fence) -> Fence {
        match (self.mutant, self.fence()) {
            (Some(Mutant::NoFenceCheck), Some(kept)) if offered.term < kept.term => kept,
            (Some(Mutant::EqualTermAccepted), Some(kept)) if offered.term == kept.term => kept,
            _ => offered.clone(),
        }
    }

    /// Begins an operation, if it may.
    pub fn begin(&mut self, start: &Start, now: Timestamp) -> Taken {
        let start = Start { fence: self.as_let_in(&start.fence), ..start.clone() };
        let witness = self.witness.clone();
        let Some(agent) = &mut self.agent else { return Taken { reply: Err(silent()), begun: None } };
        match agent.gate.start(&start, now, &witness) {
            Ok(Started::Known(_)) => Taken { reply: Ok(Answer::Done), begun: None },
            Ok(Started::Begun(live)) => {
                let deed = Deed::read(&start.action);
                agent.live.insert(start.id.clone(), live);
                if let Some(deed) = &deed {
                    self.works.insert(start.id.clone(), deed.clone());
                }
                Taken { reply: Ok(Answer::Done), begun: deed }
            }
            Err(error) => Taken { reply: Err(error), begun: None },
        }
    }

    /// How an operation stands.
    pub fn follow(&self, id: &str) -> Reply {
        let Some(agent) = &self.agent else { return Err(silent()) };
        if agent.gate.live(id).is_some() {
            return Ok(Answer::Operation(None));
        }
        agent.gate.ended(id).map(|(_, end)| Answer::Operation(Some(end.outcome)))
    }

    /// The operation is over on the host: the agent writes that down, if it is there.
    pub fn finish(&mut self, id: &str, outcome: Outcome, now: Timestamp) {
        let deed = self.works.remove(id);
        let Some(agent) = &mut self.agent else {
            if let Some(deed) = deed.filter(Deed::outlives_agent) {
                self.ended.insert(id.to_owned(), deed);
            }
            return;
        };
        let Some(live) = agent.live.remove(id) else { return };
        let end = End {
            outcome,
            at_ms: now.as_millisecond(),
            says: String::new(),
            code: String::new(),
            way_out: String::new(),
            changes: Vec::new(),
            record: Vec::new(),
        };
        // The disk takes everything here.
        if agent.gate.finish(&live, end).is_ok() {
            self.ended.remove(id);
        }
    }
}

fn silent() -> Coded {
    Coded::new(Code::WIRE_UNREACHABLE, "no agent listens there")
}
