//! What an agent can do here, and how long that takes: few deeds, but one of each kind that matters (it stops a kubelet, it may be done once
//! only, it outlives the agent, it changes who is in etcd).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_agent::work::View;

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    /// Stops the kubelet for good.
    Mask,
    /// Takes what Kubernetes has put on the host away. A long command.
    Reset,
    /// Restarts a node's parts as this release. A long command.
    Restart(u32),
    /// Makes a node of the host. A long command.
    Join,
    /// Takes a member out of etcd.
    RemoveMember(u64),
    /// Adds the member of a host to etcd, as a learner.
    AddLearner(usize),
    /// A learner begins to vote.
    Promote(u64),
}

impl Deed {
    /// The action's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::Reset => "reset",
            Self::Restart(_) => "restart",
            Self::Join => "join",
            Self::RemoveMember(_) => "remove-member",
            Self::AddLearner(_) => "add-learner",
            Self::Promote(_) => "promote",
        }
    }

    /// How long it takes.
    pub const fn takes(&self) -> Duration {
        match self {
            Self::Mask | Self::AddLearner(_) | Self::Promote(_) | Self::RemoveMember(_) => Duration::from_millis(200),
            Self::Reset => Duration::from_secs(4),
            Self::Restart(_) => Duration::from_secs(8),
            Self::Join => Duration::from_secs(6),
        }
    }

    /// It runs beside the agent, which finds it again after a restart of its own.
    pub const fn outlives_agent(&self) -> bool {
        matches!(self, Self::Reset | Self::Restart(_) | Self::Join)
    }

    /// It takes its host out of service.
    pub const fn disrupts(&self) -> bool {
        matches!(self, Self::Mask | Self::Reset | Self::Restart(_))
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From the wire, or from a journal's entry.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What a look at the host says.
pub fn view(satisfied: bool) -> View {
    View { satisfied, ..View::default() }
}
