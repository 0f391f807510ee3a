//! What an operator may ask of a drain. The defaults are the gentlest: evict, keep every pod's own grace, wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::DrainFlags;

/// How a drain goes about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DrainOptions {
    /// What may be lost.
    pub flags: DrainFlags,
    /// Rungs beyond evicting and waiting.
    pub ladder: Ladder,
    /// How many requests are on their way at once.
    pub parallel: usize,
    /// How often a refused eviction is tried again although nothing was seen to change. The watch is what normally says when.
    pub retry_every: Duration,
    /// Gives up after this. Without one, waits for ever.
    pub deadline: Option<Duration>,
}

impl Default for DrainOptions {
    fn default() -> Self {
        Self {
            flags: DrainFlags::default(),
            ladder: Ladder::default(),
            parallel: 32,
            retry_every: Duration::from_secs(5),
            deadline: None,
        }
    }
}

/// Rungs that an operator may allow, each on its own. Every use is told, pod by pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ladder {
    /// Pods that do not end in time get less grace than they asked for.
    pub shorter_grace: Option<ShorterGrace>,
    /// Pods whose grace ended longer ago than this are not waited for: for hosts whose kubelet is dead.
    pub skip_wait: Option<Duration>,
    /// Pods that a disruption budget blocks for longer than this are deleted past it. Zero never asks the eviction API at all, and so passes
    /// by admission webhooks on evictions too.
    pub delete_after: Option<Duration>,
}

/// Less grace than a pod asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShorterGrace {
    /// Counted from the beginning of the pod's end. Zero: from the first eviction on.
    pub after: Duration,
    /// The grace it gets then, in whole seconds.
    pub grace: Duration,
}
