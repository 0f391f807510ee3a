//! One thing at a time on a host, each once, whatever dies in between. The gate lets operations in, `run` carries them to their end, and what
//! was open when the agent died is taken up again before anything new begins.

pub mod gate;
pub mod returned;
mod run;

use std::sync::{Arc, Mutex, PoisonError};

use slipway_errors::{Code, Coded};
use slipway_proto::agent::OperationState;
use slipway_proto::types::{Action, Target};
use slipway_types::{Clock, Fence, Timestamp};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fence::{Boot, Claim};
use crate::journal::End;
use crate::progress::Progress;
use crate::witness::Witness;
use crate::work::{Work, Works};
use gate::{Gate, Live, Started};
pub use gate::{Seen, Start};
pub use run::{LONGEST_CHECK, LONGEST_OPERATION};

/// An operation to follow.
#[derive(Debug)]
pub enum Followed {
    /// It runs: its sentences come one by one.
    Running(Arc<Progress>),
    /// It is over; the number is the one that its end is told under.
    Over(u64, End),
}

/// What a command that changes something carries beside what it asks for.
#[derive(Debug, Clone)]
pub struct Command {
    /// The host that it is meant for.
    pub target: Target,
    /// The leadership that it is given under.
    pub fence: Fence,
    /// It counts up to then.
    pub not_after: Option<Timestamp>,
}

/// What all operations share.
#[derive(Debug)]
struct Inner {
    gate: Arc<Mutex<Gate>>,
    seen: watch::Sender<Seen>,
    works: Arc<dyn Works>,
    clock: Arc<dyn Clock>,
    witness: Witness,
    tasks: TaskTracker,
    dead: CancellationToken,
}

/// The operations of one host. Dropping it ends them where they stand, as the death of the agent does.
#[derive(Debug)]
pub struct Operations(Arc<Inner>);

impl Drop for Operations {
    fn drop(&mut self) {
        self.0.dead.cancel();
    }
}

impl Operations {
    pub(crate) fn open(gate: Gate, works: Arc<dyn Works>, clock: Arc<dyn Clock>, witness: Witness) -> Self {
        let seen = watch::Sender::new(gate.seen());
        Self(Arc::new(Inner {
            gate: Arc::new(Mutex::new(gate)),
            seen,
            works,
            clock,
            witness,
            tasks: TaskTracker::new(),
            dead: CancellationToken::new(),
        }))
    }

    /// Takes up what a former life of the agent left open. When it returns nothing new can come before those.
    pub(crate) async fn take_up(&self) -> Result<usize, Coded> {
        let inner = self.0.clone();
        let open = inner
            .with_gate(|gate| {
                let ids = gate.left_open();
                ids.iter().map(|id| gate.come_back(id)).collect::<Result<Vec<_>, _>>()
            })
            .await?;
        let count = open.len();
        if count > 0 {
            let shared = inner.clone();
            inner.spawn(async move {
                for live in open {
                    let says = format!(
                        "{} ({}) had no end when the agent started and is taken up",
                        live.id(),
                        live.action_name()
                    );
                    shared.witness.note("agent", "operation", None, says);
                    run::came_back(shared.clone(), live).await;
                }
            });
        }
        Ok(count)
    }

    /// Begins an operation, or attaches to the one of that id: then there are no sentences of a new one.
    pub async fn start(
        &self,
        start: Start,
        work: Box<dyn Work>,
    ) -> Result<(OperationState, Option<Arc<Progress>>), Coded> {
        let inner = self.0.clone();
        let reactor = tokio::runtime::Handle::current();
        // The work is put on its way inside the gate: a caller that hangs up must not leave an operation begun that nobody does.
        self.0
            .with_gate(move |gate| match gate.start(&start, inner.clock.now(), &inner.witness)? {
                Started::Known(state) => Ok((state, None)),
                Started::Begun(live) => {
                    inner.witness.begun();
                    let progress = live.progress.clone();
                    inner.spawn_on(run::begun(inner.clone(), live, work), &reactor);
                    Ok((OperationState::Running, Some(progress)))
                }
            })
            .await
    }

    /// The sentences of an operation, or its end.
    pub async fn follow(&self, id: &str) -> Result<Followed, Coded> {
        let id = id.to_owned();
        self.0
            .with_gate(move |gate| {
                if let Some(live) = gate.live(&id) {
                    return Ok(Followed::Running(live.progress.clone()));
                }
                let (returns, end) = gate.ended(&id)?;
                Ok(Followed::Over(crate::progress::first_seq(returns.saturating_add(1)), end))
            })
            .await
    }

    /// Asks an operation to stop where it safely can, and tells how it stands.
    pub async fn cancel(&self, caller: &str, id: &str, command: Command) -> Result<OperationState, Coded> {
        let (id, caller, inner) = (id.to_owned(), caller.to_owned(), self.0.clone());
        let Command { target, fence, not_after } = command;
        self.0
            .with_gate(move |gate| {
                let claim = Claim { target: &target, fence: &fence, not_after };
                gate.admit(claim, Boot::Named, inner.clock.now())?;
                let state = gate.cancel(&id)?;
                inner.witness.note(&caller, "operation", None, format!("{id} is asked to stop"));
                Ok(state)
            })
            .await
    }

    /// Refuses every earlier leadership from now on; when it returns that holds across a power cut.
    pub async fn raise(&self, caller: &str, target: Target, fence: Fence) -> Result<Seen, Coded> {
        let (caller, inner) = (caller.to_owned(), self.0.clone());
        self.0
            .with_gate(move |gate| {
                gate.admit(Claim { target: &target, fence: &fence, not_after: None }, Boot::Any, inner.clock.now())?;
                inner.witness.note(&caller, "fence", None, format!("{fence} is obeyed"));
                Ok(gate.seen())
            })
            .await
    }

    /// What is kept and what runs, without waiting for the disk.
    pub fn seen(&self) -> Seen {
        self.0.seen.borrow().clone()
    }

    /// Wakes whoever shows what is kept and what runs.
    pub fn subscribe(&self) -> watch::Receiver<Seen> {
        self.0.seen.subscribe()
    }

    /// The work of an action.
    pub fn work(&self, action: Action) -> Result<Box<dyn Work>, Coded> {
        self.0.works.work_for(action)
    }

    /// Waits until nothing runs.
    pub async fn idle(&self) {
        let mut seen = self.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = seen.wait_for(|seen| seen.open.is_empty()).await;
    }

    /// Ends every operation where it stands and lets go of the state folder. The journal has them as open.
    pub async fn kill(&self) {
        self.0.dead.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        // Whoever is in the gate now is the last: a write under way ends before the folder may be opened by another.
        let gate = self.0.gate.clone();
        let _ = tokio::task::spawn_blocking(move || drop(gate.lock().unwrap_or_else(PoisonError::into_inner))).await;
    }
}

impl Inner {
    /// Does something with the gate, off the reactor, and publishes what is to be seen afterwards.
    async fn with_gate<T: Send + 'static>(
        self: &Arc<Self>,
        act: impl FnOnce(&mut Gate) -> Result<T, Coded> + Send + 'static,
    ) -> Result<T, Coded> {
        let inner = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut gate = inner.gate.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.dead.is_cancelled() {
                return Err(
                    Coded::new(Code::WIRE_UNREACHABLE, "the agent is stopping").do_this("ask again when it is back")
                );
            }
            let done = act(&mut gate);
            let now = gate.seen();
            inner.seen.send_if_modified(|seen| {
                let changed = *seen != now;
                *seen = now;
                changed
            });
            done
        });
        done.await.unwrap_or_else(|_| Err(Coded::new(Code::INTERNAL, "the agent's gate met a defect; its log has it")))
    }

    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(task, &tokio::runtime::Handle::current());
    }

    fn spawn_on(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static, reactor: &tokio::runtime::Handle) {
        let dead = self.dead.clone();
        self.tasks.spawn_on(async move { dead.run_until_cancelled_owned(task).await }, reactor);
    }

    fn ended(&self, live: &Live, end: &End) {
        tracing::info!(operation = %live.id(), action = %live.action_name(), outcome = end.outcome.as_str(), says = %end.says, "operation ended");
        self.witness.ended(live.id(), live.action_name(), end);
    }
}
