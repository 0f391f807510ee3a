//! The part that does. It carries out the engine's orders: first the journal, then the effect. It owns all open runs of this process, and
//! stops at once when the journal or a host says that another leadership has begun.

mod admission;
mod attempt;
mod drive;
mod follow;
mod live;
mod recover;
mod start;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_types::{Clock, Fence, NodeName, RunId, StepId};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admission::{Admission, AdmissionRequest, AdmitAll};
pub use follow::Follow;
pub use live::Update;
pub use start::{Proposal, Request};

use crate::claims::Claims;
use crate::conflicts::Conflicts;
use crate::engine::Command;
use crate::{Book, Journal, Registry};

/// How a runner behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// Governs the jitter of pauses between tries.
    pub seed: u64,
    /// How long a step that was asked to end early may take before it is cut off; its outcome is unknown then.
    pub cancel_grace: Duration,
    /// How many runs may be open at once.
    pub most_open: usize,
    /// Which runs may be open together.
    pub conflicts: Conflicts,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, cancel_grace: Duration::from_secs(30), most_open: 256, conflicts: Conflicts::default() }
    }
}

/// Runs flows under one leadership. A new leadership takes a new runner.
pub struct Runner<W> {
    inner: Arc<Inner<W>>,
}

impl<W> Clone for Runner<W> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<W> {
    world: Arc<W>,
    journal: Arc<dyn Journal>,
    flows: Registry<W>,
    admission: Arc<dyn Admission<W>>,
    fence: Fence,
    clock: Arc<dyn Clock>,
    options: Options,
    runs: Mutex<BTreeMap<RunId, Handle>>,
    /// Nodes that runs take out of service. Never held while something is waited for.
    claims: Mutex<Claims>,
    /// One admission is decided at a time. Whoever only gives a claim back does not wait for it.
    admitting: tokio::sync::Mutex<()>,
    starting: tokio::sync::Mutex<()>,
    live: live::Live,
    ended: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
    fenced: watch::Sender<Option<Coded>>,
    began: tokio::time::Instant,
}

struct Handle {
    asks: mpsc::Sender<Ask>,
    book: Arc<Mutex<Book>>,
}

struct Ask {
    command: Command,
    actor: Actor,
    answer: oneshot::Sender<Result<RunState, Coded>>,
}

impl<W: Send + Sync + 'static> Runner<W> {
    /// A runner that writes under `fence`. Call [`Runner::recover`] before anything is started.
    pub fn new(
        world: Arc<W>,
        journal: Arc<dyn Journal>,
        flows: Registry<W>,
        fence: Fence,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        Self::with_admission(world, journal, flows, Arc::new(AdmitAll), fence, clock, options)
    }

    /// A runner whose disruptive steps wait for `admission`.
    pub fn with_admission(
        world: Arc<W>,
        journal: Arc<dyn Journal>,
        flows: Registry<W>,
        admission: Arc<dyn Admission<W>>,
        fence: Fence,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Self {
        let inner = Inner {
            world,
            journal,
            flows,
            admission,
            fence,
            clock,
            options,
            runs: Mutex::default(),
            claims: Mutex::default(),
            admitting: tokio::sync::Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            live: live::Live::default(),
            ended: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            fenced: watch::Sender::new(None),
            began: tokio::time::Instant::now(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The flows that can be started.
    pub fn flows(&self) -> &Registry<W> {
        &self.inner.flows
    }

    /// Asks something of an open run, and returns the state that the run is in afterwards.
    pub async fn command(&self, run: &RunId, command: Command, actor: Actor) -> Result<RunState, Coded> {
        let asks = || self.inner.runs().get(run).map(|handle| handle.asks.clone());
        let asks = match asks() {
            None if self.go_on_with(run).await? => asks(),
            asks => asks,
        };
        let gone = || Coded::new(Code::RUN_STATE, format!("run {} has ended", run.short()));
        let Some(asks) = asks else {
            let known = self.inner.journal.journal(run, 1, 1).await.map_err(|error| error.coded().clone())?;
            let unknown = || Coded::new(Code::RUN_UNKNOWN, format!("there is no run {run}"));
            return Err(if known.is_empty() { unknown() } else { gone() });
        };
        let (answer, answered) = oneshot::channel();
        asks.send(Ask { command, actor, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// The present state of an open run.
    pub fn book(&self, run: &RunId) -> Option<Book> {
        self.inner.runs().get(run).map(|handle| lock(&handle.book).clone())
    }

    /// The present state of every open run.
    pub fn open_runs(&self) -> Vec<Book> {
        self.inner.runs().values().map(|handle| lock(&handle.book).clone()).collect()
    }

    /// What a step of a run says just now, if it says anything.
    pub fn says(&self, run: &RunId) -> BTreeMap<StepId, String> {
        self.inner.live.says(run)
    }

    /// Everything that happens in all runs from now on.
    pub fn updates(&self) -> tokio::sync::broadcast::Receiver<Update> {
        self.inner.live.subscribe()
    }

    /// A run's journal from entry `from` on, and then what follows, to its end.
    pub async fn follow(&self, run: &RunId, from: u64) -> Result<Follow, Coded> {
        let live = (self.inner.live.subscribe(), self.inner.stop.clone());
        Follow::begin(self.inner.journal.clone(), live, run.clone(), from).await
    }

    /// The nodes that steps under way take out of service, and the runs that do it.
    pub fn under_way(&self) -> BTreeMap<NodeName, RunId> {
        lock(&self.inner.claims).under_way()
    }

    /// Waits until the run is no longer open in this process.
    pub async fn wait_for_end(&self, run: &RunId) {
        let mut ended = self.inner.ended.subscribe();
        while self.inner.runs().contains_key(run) && !self.inner.stop.is_cancelled() {
            tokio::select! {
                () = self.inner.stop.cancelled() => return,
                changed = ended.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Why this runner stopped, once it learned that another leadership has begun. Pending until then.
    pub async fn fenced(&self) -> Coded {
        let mut fenced = self.inner.fenced.subscribe();
        match fenced.wait_for(Option::is_some).await.map(|why| why.clone()) {
            Ok(Some(why)) => why,
            _ => std::future::pending().await,
        }
    }

    /// Stops: nothing new begins, open attempts are cut off (a later process asks the world what became of them). Returns when all is quiet.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

impl<W> Inner<W> {
    fn runs(&self) -> MutexGuard<'_, BTreeMap<RunId, Handle>> {
        lock(&self.runs)
    }

    fn now(&self) -> crate::engine::Now {
        crate::engine::Now { steady: self.began.elapsed(), wall_ms: self.clock.now().as_millisecond() }
    }

    /// Another leadership has begun: nothing of this process may have an effect any more.
    fn lose(&self, why: &Coded) {
        self.fenced.send_if_modified(|known| known.is_none().then(|| *known = Some(why.clone())).is_some());
        self.stop.cancel();
    }

    fn forget(&self, run: &RunId) {
        self.runs().remove(run);
        self.live.forget(run);
        self.ended.send_modify(|count| *count += 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
