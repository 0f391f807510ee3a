//! The agent without its sockets: everything that a coordinator can ask for, with its refusals, over any host. The gRPC service is a thin
//! coat around it, and tests hold it directly, kill it and open it again.

mod answers;
mod questions;
#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_errors::Coded;
use slipway_host::Host;
use slipway_types::{Clock, IdGen, Timestamp};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::disk::{Disk, Keep};
use crate::fence::{Here, kept};
use crate::journal::{self, Journal};
use crate::operations::gate::Gate;
use crate::operations::{Operations, Seen};
use crate::questions::Questions;
use crate::sampler::{Sampler, Source};
use crate::state::{self, Claimed};
use crate::witness::{Counts, InMemory, Record, Witness};
use crate::work::Works;
use crate::work::on_host::OnHost;

/// How many looks at the host may be under way for `Check` at once; others wait their turn.
const CHECKS_AT_ONCE: usize = 2;

pub use questions::Snapshots;

/// Why an agent could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state folder.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The kept fence.
    #[error(transparent)]
    Fence(#[from] kept::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// What was open could not be taken up, or the host does not say which one it is.
    #[error("{0}")]
    Other(Coded),
}

impl Error {
    /// As people see it.
    pub fn coded(&self) -> Coded {
        match self {
            Self::State(error) => error.coded(),
            Self::Fence(error) => error.coded(),
            Self::Journal(error) => error.coded(),
            Self::Other(error) => error.clone(),
        }
    }
}

/// Who the agent speaks for, as enrolment said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostIdentity {
    /// The cluster's name.
    pub cluster: String,
    /// The host's id, never used again.
    pub host_id: String,
}

/// Everything an agent is made of.
#[derive(Debug)]
pub struct Setup {
    /// The folder that must not be lost.
    pub state: PathBuf,
    /// How that folder is read and written.
    pub disk: Arc<dyn Keep>,
    /// The host, and the kernel's boot.
    pub here: Here,
    /// What it can do.
    pub works: Arc<dyn Works>,
    /// What it can see.
    pub source: Arc<dyn Source>,
    /// What it can be asked.
    pub questions: Arc<dyn Questions>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGen>,
    /// Audit records.
    pub record: Arc<dyn Record>,
    /// It looks and changes nothing on the host.
    pub observe: bool,
}

/// An agent, without its sockets.
#[derive(Debug)]
pub struct AgentCore {
    here: Here,
    journal_id: String,
    observe: bool,
    operations: Operations,
    sampler: Arc<Sampler>,
    clock: Arc<dyn Clock>,
    witness: Witness,
    questions: Arc<dyn Questions>,
    checks: Semaphore,
    snapshots: Arc<Semaphore>,
    streams: AtomicI64,
    stopping: CancellationToken,
    tasks: TaskTracker,
    dead: CancellationToken,
    claimed: Mutex<Option<Claimed>>,
}

impl Drop for AgentCore {
    fn drop(&mut self) {
        self.dead.cancel();
    }
}

impl Setup {
    /// The usual agent over `host`: real actions, state in `state`, audit records in memory until [`Setup::record`] is set.
    pub async fn over(
        host: Host,
        state: &Path,
        identity: HostIdentity,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGen>,
    ) -> Result<Self, Error> {
        let machine = host.identity.identity().await.map_err(|error| Error::Other(error.coded()))?;
        let on_host = Arc::new(OnHost::new(host, clock.clone()));
        Ok(Self {
            state: state.to_owned(),
            disk: Arc::new(Disk::default()),
            here: Here { cluster: identity.cluster, host_id: identity.host_id, boot_id: machine.boot_id },
            works: on_host.clone(),
            source: on_host.clone(),
            questions: on_host,
            clock,
            ids,
            record: Arc::new(InMemory::default()),
            observe: false,
        })
    }
}

impl AgentCore {
    /// Opens the usual agent over `host`; see [`Setup::over`].
    pub async fn new(
        host: Host,
        state: &Path,
        identity: HostIdentity,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdGen>,
    ) -> Result<Arc<Self>, Error> {
        Self::open(Setup::over(host, state, identity, clock, ids).await?).await
    }

    /// Opens an agent on its state folder, and takes up what its former life left open.
    pub async fn open(setup: Setup) -> Result<Arc<Self>, Error> {
        let Setup { state, disk, here, works, source, questions, clock, ids, record, observe } = setup;
        let (gate, claimed) = {
            let here = here.clone();
            let opened = tokio::task::spawn_blocking(move || open_gate(&disk, &state, here, ids.as_ref()));
            opened.await.map_err(|error| Error::Other(defect(&error)))??
        };
        let witness = Witness::new(record);
        let journal_id = gate.journal_id().to_owned();
        let operations = Operations::open(gate, works, clock.clone(), witness.clone());
        let core = Arc::new(Self {
            here,
            journal_id,
            observe,
            operations,
            sampler: Sampler::new(source, clock.clone()),
            clock,
            witness,
            questions,
            checks: Semaphore::new(CHECKS_AT_ONCE),
            snapshots: Arc::new(Semaphore::new(1)),
            streams: AtomicI64::new(0),
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
            dead: CancellationToken::new(),
            claimed: Mutex::new(Some(claimed)),
        });
        core.run(core.sampler.clone().run());
        core.run(hint_when_operations_change(core.operations.subscribe(), core.sampler.clone()));
        core.operations.take_up().await.map_err(Error::Other)?;
        Ok(core)
    }

    /// Changes whenever the journal is a new one.
    pub fn journal_id(&self) -> &str {
        &self.journal_id
    }

    /// The host that it speaks for.
    pub const fn here(&self) -> &Here {
        &self.here
    }

    /// The kept fence and what runs.
    pub fn seen(&self) -> Seen {
        self.operations.seen()
    }

    /// What was done and refused since the start.
    pub fn counts(&self) -> Counts {
        self.witness.counts()
    }

    /// Facts and figures.
    pub fn sampler(&self) -> &Sampler {
        &self.sampler
    }

    /// The audit records and counts, for those who refuse before the core is asked.
    pub const fn witness(&self) -> &Witness {
        &self.witness
    }

    /// How many heartbeat streams there are.
    pub fn open_streams(&self) -> i64 {
        self.streams.load(Ordering::SeqCst)
    }

    /// Done when the agent begins to stop: streams end then.
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Waits until no operation runs.
    pub async fn idle(&self) {
        self.operations.idle().await;
    }

    /// Stops: nothing new begins, what runs has `patience` to end; what does not end is left to the next life, which takes it up.
    pub async fn stop(&self, patience: Duration) {
        self.stopping.cancel();
        if tokio::time::timeout(patience, self.operations.idle()).await.is_err() {
            tracing::warn!(
                operation = self.seen().open,
                "stops in the middle of an operation, which is taken up at the next start"
            );
        }
        self.kill().await;
    }

    /// Ends at once, as a crash does, and lets go of the state folder.
    pub async fn kill(&self) {
        self.stopping.cancel();
        self.dead.cancel();
        self.operations.kill().await;
        self.tasks.close();
        self.tasks.wait().await;
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn streams(&self, more: i64) {
        self.streams.fetch_add(more, Ordering::SeqCst);
    }

    fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        let dead = self.dead.clone();
        self.tasks.spawn(async move { dead.run_until_cancelled_owned(task).await });
    }
}

fn open_gate(disk: &Arc<dyn Keep>, state: &Path, here: Here, ids: &dyn IdGen) -> Result<(Gate, Claimed), Error> {
    let claimed = state::claim(disk.as_ref(), state)?;
    let first_start = !journal::exists(disk.as_ref(), state)?;
    // The fence before the journal: a crash between the two must not look like a fence that somebody took away.
    let kept = kept::Kept::open(disk.clone(), state, first_start)?;
    let journal = Journal::open(disk.clone(), state, ids)?;
    Ok((Gate::new(here, kept, journal), claimed))
}

async fn hint_when_operations_change(mut seen: tokio::sync::watch::Receiver<Seen>, sampler: Arc<Sampler>) {
    while seen.changed().await.is_ok() {
        sampler.hint();
    }
}

fn defect(error: &tokio::task::JoinError) -> Coded {
    Coded::new(slipway_errors::Code::INTERNAL, format!("opening the agent met a defect: {error}"))
}
