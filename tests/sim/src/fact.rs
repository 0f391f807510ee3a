//! What happened, as the invariants see it: told by the parts of the world that it happened to, not by whoever believes to have done it.

use std::time::Duration;

use slipway_agent::operations::Start;
use slipway_cluster::etcd::Member;
use slipway_proto::types::Target;
use slipway_types::{Fence, NodeName, RunId, Timestamp};

use crate::api_server::Cordoner;
use crate::deed::Deed;
use crate::message::Write;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Fact {
    /// The store gave a leadership.
    Won {
        /// The leadership.
        fence: Fence,
        /// Another one that was at work, as far as the store could tell.
        deposed: Option<Fence>,
    },
    /// A coordinator begins to lead.
    Leads {
        /// The coordinator.
        coordinator: usize,
        /// The leadership that it claims.
        fence: Fence,
    },
    /// Lines were appended to a run's journal.
    Appended {
        /// The run.
        run: RunId,
        /// The number of the entry before.
        after: u64,
        /// The leadership that they came under.
        by: Fence,
        /// The latest leadership at that moment.
        leader: Fence,
    },
    /// A leadership was admitted to take a node out of service.
    Admitted {
        /// The leadership.
        fence: Fence,
        /// The node.
        node: NodeName,
        /// The nodes of its pool that it counted as out of service.
        counted: Vec<NodeName>,
    },
    /// An agent obeys a leadership.
    Raised {
        /// The host.
        host: usize,
        /// The leadership that was shown.
        fence: Fence,
    },
    /// An operation has begun.
    Begun {
        /// The host.
        host: usize,
        /// As it was asked for.
        start: Box<Start>,
        /// What it does.
        deed: Deed,
        /// For whom commands have to be meant there.
        here: Target,
        /// The host's wall time.
        now: Timestamp,
    },
    /// The work of an operation is done.
    Worked {
        /// The host.
        host: usize,
        /// The operation.
        operation: String,
        /// What it did.
        deed: Deed,
    },
    /// The power went.
    LostPower(usize),
    /// A change was made at the API server.
    Written {
        /// The change.
        write: Box<Write>,
        /// When it was sent.
        sent: Duration,
        /// The object that it was made to.
        uid: String,
        /// Who had cordoned the node before.
        before: Option<Cordoner>,
        /// Who has now.
        after: Option<Cordoner>,
    },
    /// Who is in etcd changes.
    Members {
        /// The members before.
        before: Vec<Member>,
        /// And after.
        after: Vec<Member>,
        /// In which run.
        run: RunId,
    },
}
