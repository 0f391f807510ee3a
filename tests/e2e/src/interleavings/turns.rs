//! Who goes next. Every append, every call of an agent and every call of the API waits here for its turn, and chance decides whose it is. A turn
//! is given only when everybody who can go on has come here to wait, so that one thing happens at a time and the same seed gives the same
//! story.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::chance::Chance;

/// How much of the story is kept for whoever reads of a failure.
const REMEMBERED: usize = 5_000;

/// The turnstile of one interleaving.
pub struct Turns {
    inner: Mutex<Inner>,
    came: Notify,
}

struct Inner {
    chance: Chance,
    waiting: Vec<Waiting>,
    story: VecDeque<String>,
    told: u64,
    hash: u64,
}

struct Waiting {
    what: String,
    go: oneshot::Sender<()>,
}

impl Turns {
    /// One that draws from `chance`.
    pub fn new(chance: Chance) -> Self {
        let (waiting, story) = (Vec::new(), VecDeque::new());
        Self { inner: Mutex::new(Inner { chance, waiting, story, told: 0, hash: 0 }), came: Notify::new() }
    }

    /// Waits for a turn.
    pub async fn pass(&self, what: String) {
        let (go, turn) = oneshot::channel();
        self.lock().waiting.push(Waiting { what, go });
        self.came.notify_one();
        // The turnstile outlives everybody who waits at it.
        let _ = turn.await;
    }

    /// Gives somebody a turn, and says what was waited for.
    pub fn give(&self) -> Option<String> {
        let mut inner = self.lock();
        inner.waiting.retain(|waiting| !waiting.go.is_closed());
        let count = inner.waiting.len();
        if count == 0 {
            return None;
        }
        let at = inner.chance.below(count);
        let Waiting { what, go } = inner.waiting.remove(at);
        inner.tell(what.clone());
        // Whoever gave up meanwhile has no use for it.
        let _ = go.send(());
        Some(what)
    }

    /// Comes back as soon as somebody may be waiting.
    pub async fn somebody(&self) {
        while self.lock().waiting.is_empty() {
            self.came.notified().await;
        }
    }

    /// Writes something into the story that was nobody's turn.
    pub fn tell(&self, what: impl Into<String>) {
        self.lock().tell(what.into());
    }

    /// True in `of_thousand` cases out of a thousand.
    pub fn happens(&self, of_thousand: usize) -> bool {
        self.lock().chance.happens(of_thousand)
    }

    /// A number below `limit`; 0 where there is none.
    pub fn below(&self, limit: usize) -> usize {
        self.lock().chance.below(limit)
    }

    /// How many lines the story has.
    pub fn told(&self) -> u64 {
        self.lock().told
    }

    /// The end of the story, and a hash of all of it.
    pub fn story(&self) -> (Vec<String>, u64) {
        let inner = self.lock();
        (inner.story.iter().cloned().collect(), inner.hash)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tell(&mut self, what: String) {
        self.told += 1;
        self.hash = what.bytes().fold(self.hash ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        if self.story.len() == REMEMBERED {
            self.story.pop_front();
        }
        self.story.push_back(format!("{:>5} {what}", self.told));
    }
}
