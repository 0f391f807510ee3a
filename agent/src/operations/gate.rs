//! The one place where a command is let in. Fence, journal and the operations that run are decided upon together, under one lock and off the
//! reactor, so that no leadership ends between the look at the fence and the first line of the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_proto::agent::OperationState;
use slipway_proto::types::Target;
use slipway_types::{Fence, Secret, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::fence::kept::Kept;
use crate::fence::{Admission, Boot, Claim, Here, admit};
use crate::journal::{End, Entry, Journal};
use crate::progress::Progress;
use crate::witness::Witness;

/// An operation that has no end yet.
#[derive(Debug)]
pub struct Live {
    /// As the journal has it.
    pub entry: Entry,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) secret: Option<Secret>,
}

impl Live {
    fn of(entry: Entry, secret: Option<Secret>) -> Arc<Self> {
        let progress = Arc::new(Progress::after_returns(entry.returns));
        Arc::new(Self { entry, progress, cancelled: CancellationToken::new(), secret })
    }

    /// `run/step/attempt`.
    pub fn id(&self) -> &str {
        &self.entry.id
    }

    /// The action's name.
    pub fn action_name(&self) -> &str {
        &self.entry.action_name
    }
}

/// A command to begin an operation.
#[derive(Debug, Clone)]
pub struct Start {
    /// Who asks, for the audit record.
    pub caller: String,
    /// `run/step/attempt`.
    pub id: String,
    /// The host that it is meant for.
    pub target: Target,
    /// The leadership that it is given under.
    pub fence: Fence,
    /// Nothing begins after that.
    pub not_after: Timestamp,
    /// The action's name.
    pub action_name: &'static str,
    /// The action as it came over the wire.
    pub action: Vec<u8>,
    /// What it needs and is not written down.
    pub secret: Option<Secret>,
}

/// What became of a [`Start`].
#[derive(Debug)]
pub enum Started {
    /// It is in the journal and may be done now.
    Begun(Arc<Live>),
    /// It was known: it runs, or it ended so.
    Known(OperationState),
}

/// What others may see of the gate without waiting for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The highest leadership that was kept.
    pub fence: Option<Fence>,
    /// The operation that runs; empty: none.
    pub open: String,
}

/// Fence, journal and what runs.
#[derive(Debug)]
pub struct Gate {
    here: Here,
    kept: Kept,
    journal: Journal,
    live: BTreeMap<String, Arc<Live>>,
}

impl Gate {
    /// The gate of this host, over what its state folder has.
    pub const fn new(here: Here, kept: Kept, journal: Journal) -> Self {
        Self { here, kept, journal, live: BTreeMap::new() }
    }

    /// Changes whenever the journal is a new one.
    pub fn journal_id(&self) -> &str {
        self.journal.id()
    }

    /// What others may see.
    pub fn seen(&self) -> Seen {
        let open = self.live.keys().next().cloned().unwrap_or_default();
        Seen { fence: self.kept.fence().cloned(), open }
    }

    /// Lets a command in that is under `fence`, and keeps that fence first where it is a later one.
    pub fn admit(&mut self, claim: Claim<'_>, boot: Boot, now: Timestamp) -> Result<(), Coded> {
        if admit(&self.here, self.kept.fence(), claim, boot, now)? == Admission::RaiseFirst {
            self.kept.raise(claim.fence).map_err(|error| error.coded())?;
            tracing::info!(fence = %claim.fence, "a later leadership is obeyed from now on");
        }
        Ok(())
    }

    /// Begins an operation, or finds the one of that id. An id that is known is answered whatever the hour: "too late" must mean that
    /// nothing was begun.
    pub fn start(&mut self, start: &Start, now: Timestamp, witness: &Witness) -> Result<Started, Coded> {
        let known = self.journal.get(&start.id).map_err(|error| error.coded())?;
        let not_after = known.is_none().then_some(start.not_after);
        self.admit(Claim { target: &start.target, fence: &start.fence, not_after }, Boot::Named, now)?;
        if let Some(entry) = known {
            return Self::attach(&entry, start);
        }
        // Whoever began the later attempt has asked what became of this one, and was told that it had not begun.
        if let Some(later) = self.journal.later_attempt(&start.id) {
            let said = format!("{} came after {later} had begun; nothing was begun", start.id);
            return Err(Coded::new(Code::FENCE_PAST_TIME, said).do_this("nothing: the later attempt counts"));
        }
        if let Some(busy) = self.live.values().next() {
            let said = format!("{} ({}) runs on this host; {} was not begun", busy.id(), busy.action_name(), start.id);
            return Err(
                Coded::new(Code::FENCE_BUSY, said).do_this(format!("watch {} to its end, then ask again", busy.id()))
            );
        }
        witness.intent(
            &start.caller,
            "operation",
            format!("{} ({}) begins under {}", start.id, start.action_name, start.fence),
        )?;
        let entry = self
            .journal
            .begin(&start.id, start.action_name, &start.action, &start.fence, now.as_millisecond())
            .map_err(|error| error.coded())?;
        Ok(Started::Begun(self.run(entry, start.secret.clone())))
    }

    fn attach(entry: &Entry, start: &Start) -> Result<Started, Coded> {
        if entry.action != hex::encode(&start.action) {
            let said =
                format!("{} was begun as another action or with other arguments ({})", entry.id, entry.action_name);
            return Err(Coded::new(Code::WIRE_BAD_REQUEST, said).do_this("use a new attempt for a new action"));
        }
        let state = entry.end.as_ref().map_or(OperationState::Running, |end| end.outcome.on_wire());
        Ok(Started::Known(state))
    }

    /// What was begun and has no end, the earliest first: after a restart, all that a former life left open.
    pub fn left_open(&self) -> Vec<String> {
        self.journal.open_operations()
    }

    /// Takes up again what was begun and has no end, after a restart.
    pub fn come_back(&mut self, id: &str) -> Result<Arc<Live>, Coded> {
        let entry = self.journal.come_back(id).map_err(|error| error.coded())?;
        Ok(self.run(entry, None))
    }

    fn run(&mut self, entry: Entry, secret: Option<Secret>) -> Arc<Live> {
        let live = Live::of(entry, secret);
        self.live.insert(live.id().to_owned(), live.clone());
        live
    }

    /// Writes an end down; only then the next operation may begin.
    pub fn finish(&mut self, live: &Live, end: End) -> Result<End, Coded> {
        let end = self.journal.finish(&live.entry, end).map_err(|error| error.coded())?;
        self.live.remove(live.id());
        Ok(end)
    }

    /// Asks an operation to stop.
    pub fn cancel(&mut self, id: &str) -> Result<OperationState, Coded> {
        if let Some(live) = self.live.get(id) {
            live.progress.say("asked to stop; it stops at its next safe point");
            live.cancelled.cancel();
            return Ok(OperationState::Running);
        }
        Ok(self.ended(id)?.1.outcome.on_wire())
    }

    /// The operation as it runs.
    pub fn live(&self, id: &str) -> Option<Arc<Live>> {
        self.live.get(id).cloned()
    }

    /// How an operation ended, with the number of its last sentence as it is told after the fact.
    pub fn ended(&self, id: &str) -> Result<(u32, End), Coded> {
        let entry = self.journal.get(id).map_err(|error| error.coded())?;
        entry.and_then(|entry| entry.end.map(|end| (entry.returns, end))).ok_or_else(|| {
            Coded::new(Code::AGENT_UNKNOWN_OPERATION, format!("this host's journal has no operation {id}"))
                .do_this("nothing of it was begun under this journal; look at the host, then ask again")
        })
    }
}
