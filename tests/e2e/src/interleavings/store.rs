//! The store behind the turnstile: an append waits for its turn, may be refused once for want of room, and may be durable long before whoever
//! wrote it hears of that.

use std::sync::Arc;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_events::Entry;
use slipway_flow::{Journal, JournalError, Line, RunHead};
use slipway_store::{Candidate, Error, HighWater, Leadership, Record, Store, Watch};
use slipway_types::{Fence, RunId};

use super::turns::Turns;

/// Of a thousand appends, so many are refused.
const FULL: usize = 4;
/// Of a thousand appends, so many are heard of late.
const LATE: usize = 250;

/// See the module.
pub struct SlowStore {
    /// The store.
    pub inner: Arc<dyn Store>,
    /// Where everybody waits.
    pub turns: Arc<Turns>,
}

#[async_trait]
impl Journal for SlowStore {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        let kinds: Vec<String> = lines.iter().map(|line| named(&line.event)).collect();
        let what = format!("{run} writes {}", kinds.join(", "));
        self.turns.pass(what.clone()).await;
        if self.turns.happens(FULL) {
            self.turns.tell(format!("{what}: no room"));
            return Err(JournalError::Store(Coded::new(Code::STORE_FULL, "no room is left")));
        }
        let appended = self.inner.append(run, after, lines, fence).await;
        if self.turns.happens(LATE) {
            self.turns.pass(format!("{what}: heard")).await;
        }
        appended
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        self.inner.journal(run, from, limit).await
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        self.inner.runs(limit).await
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        self.inner.open_runs().await
    }
}

/// The event's kind, its step, and why it was written.
fn named(event: &slipway_events::Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    let kind = value["kind"].as_str().or_else(|| value["event"].as_str()).map(str::to_owned);
    let kind = kind.unwrap_or_else(|| value.as_object().and_then(|all| all.keys().next().cloned()).unwrap_or_default());
    let step = event.step().map(|step| format!(" {step}")).unwrap_or_default();
    let why = match event {
        slipway_events::Event::Paused { why } => format!(" ({why})"),
        slipway_events::Event::Finished { state, why } => format!(" {state} ({why})"),
        _ => String::new(),
    };
    format!("{kind}{step}{why}")
}

#[async_trait]
impl Store for SlowStore {
    async fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        self.inner.get(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        self.inner.list(prefix).await
    }

    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error> {
        self.turns.pass(format!("store creates {key}")).await;
        self.inner.create(key, value, fence).await
    }

    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error> {
        self.turns.pass(format!("store updates {key}")).await;
        self.inner.update(key, value, expected, fence).await
    }

    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
        self.turns.pass(format!("store deletes {key}")).await;
        self.inner.delete(key, expected, fence).await
    }

    async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        self.inner.watch(prefix).await
    }

    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error> {
        self.turns.pass(format!("{} campaigns", candidate.holder)).await;
        self.inner.campaign(candidate).await
    }

    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error> {
        self.inner.adopt(entries, fence).await
    }

    async fn clear(&self, fence: &Fence) -> Result<(), Error> {
        self.inner.clear(fence).await
    }

    async fn confirm(&self, fence: &Fence) -> Result<(), Error> {
        self.inner.confirm(fence).await
    }

    async fn high_water(&self) -> Result<HighWater, Error> {
        self.inner.high_water().await
    }
}
