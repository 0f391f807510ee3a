//! What is said between the parties, and what happens by itself: everything that the queue holds.

use std::time::Duration;

use serde_json::Value;
use slipway_agent::journal::Outcome;
use slipway_agent::operations::Start;
use slipway_cluster::Node;
use slipway_cluster::etcd::Member;
use slipway_errors::Coded;
use slipway_events::Entry;
use slipway_flow::{Command, Line, RunHead};
use slipway_store::{Candidate, HighWater, Leadership};
use slipway_types::{Fence, NodeName, RunId};

use crate::deed::Deed;
use crate::faults::Trouble;
use crate::party::Party;
use crate::people::Wish;

/// A question.
#[derive(Debug, Clone)]
pub enum Ask {
    /// To the store: the latest leadership.
    HighWater,
    /// To the store: is a leader at work?
    Presence,
    /// To the store: say so when no leader is at work any more.
    Vacancy,
    /// To the store: the leadership.
    Campaign(Candidate),
    /// To the store: a sign of life.
    Sign(Fence),
    /// To the store: whoever leads under this name has ended.
    Resign(String),
    /// To the store: nobody of a leadership before this one can be at work any more.
    Settle(Fence),
    /// To the store: does this leadership still hold?
    Confirm(Fence),
    /// To the store: lines for the journal of a run, after so many.
    Append(RunId, u64, Vec<Line>, Fence),
    /// To the store: the journal of a run.
    Journal(RunId),
    /// To the store: the runs that have not ended.
    OpenRuns,
    /// To an agent: which boot, which fence?
    Identify,
    /// To an agent: obey this leadership.
    Raise(Fence),
    /// To an agent: begin an operation.
    Begin(Box<Start>),
    /// To an agent: how did that operation end?
    Follow(String),
    /// To an agent: is the host as this wants it?
    Check(Deed),
    /// To an agent of a master: the members of etcd, as a quorum has them.
    Members,
    /// To the API server: all Nodes.
    Nodes,
    /// To the API server: one Node.
    Node(NodeName),
    /// To the API server: how many pods run on a Node.
    Pods(NodeName),
    /// To the API server: a change, under these conditions, by this leadership.
    Write(Box<Write>),
    /// To a coordinator: what an operator wants.
    Wish(Wish),
    /// To a coordinator: what an operator wants of a run.
    Steer(RunId, Command),
}

/// A change at the API server.
#[derive(Debug, Clone)]
pub struct Write {
    /// The Node.
    pub node: NodeName,
    /// What is to become of it.
    pub change: Change,
    /// Who writes. The API server knows nothing of leaderships: this is for the invariants alone.
    pub by: Fence,
    /// In which run.
    pub run: RunId,
    /// The object that the run's plan is about.
    pub uid: String,
}

/// A kind of change.
#[derive(Debug, Clone)]
pub enum Change {
    /// A merge patch, under the resourceVersion in it. `disrupts`: its run was to be admitted before.
    Patch {
        /// The patch.
        patch: Value,
        /// It takes the node out of service.
        disrupts: bool,
    },
    /// A deletion, of this object alone where one is named.
    Delete(Option<String>),
    /// One pod is evicted.
    Evict,
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It was done.
    Done,
    /// The latest leadership.
    HighWater(HighWater),
    /// Whether a leader is at work.
    Presence(bool),
    /// The leadership is yours.
    Won(Leadership),
    /// Entries.
    Entries(Vec<Entry>),
    /// Runs.
    Heads(Vec<RunHead>),
    /// The boot, and the fence that is kept.
    Identity(String, Option<Fence>),
    /// How an operation stands: none while it runs.
    Operation(Option<Outcome>),
    /// Yes or no.
    Is(bool),
    /// Members.
    Members(Vec<Member>),
    /// Nodes.
    Nodes(Vec<Node>),
    /// How many pods.
    Pods(u32),
}

/// What comes back.
pub type Reply = Result<Answer, Coded>;

/// What the queue holds.
#[derive(Debug, Clone)]
pub enum Event {
    /// A question arrives.
    Arrives {
        /// Who asks.
        from: Party,
        /// Who is asked.
        to: Party,
        /// The call.
        call: u64,
        /// What.
        ask: Ask,
        /// Connections of that life of the asker; they end with it.
        life: u64,
        /// When it was sent.
        sent: Duration,
    },
    /// An answer arrives, or a time is up.
    Answers(u64, Reply),
    /// No answer came in time.
    TooLate(u64),
    /// The work of an operation comes to its end on the host, in that boot.
    Works {
        /// The host.
        host: usize,
        /// Its boot.
        boot: u64,
        /// The operation.
        operation: String,
    },
    /// The cluster notices how a host's kubelet is.
    Notices(usize),
    /// The leader's lease may have run out.
    Lease,
    /// An agent's process begins.
    AgentStarts(usize),
    /// A host comes up.
    Boots(usize),
    /// A coordinator's process begins.
    CoordinatorStarts(usize),
    /// A stopped process goes on.
    Continues(usize),
    /// What was cut is whole again.
    Heals(u64),
    /// The store answers again.
    StoreIsBack,
    /// Something goes wrong.
    Goes(Trouble),
    /// An operator wants something.
    Wants,
    /// An operator looks at runs that stand still.
    LooksAfter,
    /// Somebody works on the cluster with other means.
    Meddles,
    /// Another host takes the name of that one's Node.
    Replaces(usize),
    /// From now on nothing more goes wrong.
    Calm,
}
