//! One case: a fresh scene, one fault, the recovery that follows, and the judgement.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use slipway_events::{Actor, Entry, Event, RunState};
use slipway_types::{RunId, StepId, SystemClock};

use super::probed::{Probe, ProbedFlow, ProbedJournal};
use super::{Fault, MatrixWorld, Rig, Scene};
use crate::{Command, Flow, Options, Registry, Request, Runner, Update};

/// How long a case may take: whoever stands still that long waits for something that never comes.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often a run that stands still is resumed.
const MOST_RESUMES: usize = 3;

/// What the undisturbed run was like.
pub(super) struct Clean {
    start: String,
    end: String,
    effects: BTreeMap<String, u32>,
    /// The steps that acted, in order.
    pub(super) steps: Vec<StepId>,
    pub(super) appends: usize,
    pub(super) appends_before_commit: usize,
}

type Wanted<'a, W> = (&'a Arc<dyn Flow<W>>, &'a Value);

pub(super) async fn clean<R: Rig>(rig: &R, flow: &Arc<dyn Flow<R::World>>, params: &Value) -> Result<Clean, String> {
    let scene = rig.fresh().await;
    let start = scene.world.digest();
    let probe = Probe::new(Fault::None);
    let runner = runner(&scene, flow, &probe);
    runner.start(run_id(), request((flow, params))).await.map_err(|why| why.to_string())?;
    let state = patiently(to_the_end(&runner)).await??;
    runner.stop().await;
    let entries = scene.journal.journal(&run_id(), 1, usize::MAX).await.map_err(|why| why.to_string())?;
    if state != RunState::Completed {
        return Err(format!("the undisturbed run ended as {state}: {:?}", entries.last()));
    }
    let done = |entry: &Entry| match &entry.event {
        Event::Done { step, .. } => Some(step.clone()),
        _ => None,
    };
    let appends = probe.appends.load(Ordering::SeqCst);
    let committed =
        entries.iter().filter(|entry| !matches!(entry.event, Event::Committed { .. })).count() != entries.len();
    let before = |entry: &&Entry| !matches!(entry.event, Event::Committed { .. });
    // An end of a step and the beginning of the next are one append.
    let steps_before =
        entries.iter().take_while(before).filter(|entry| matches!(entry.event, Event::Started { .. })).count();
    Ok(Clean {
        start,
        end: scene.world.digest(),
        effects: scene.world.effects(),
        steps: entries.iter().filter_map(done).collect(),
        appends,
        appends_before_commit: if committed { steps_before + 1 } else { appends.saturating_sub(1) },
    })
}

/// Plays a case. `None`: the rig cannot show it, or the place of the fault was not reached.
pub(super) async fn play<R: Rig>(
    rig: &R,
    flow: &Arc<dyn Flow<R::World>>,
    params: &Value,
    fault: &Fault,
    clean: &Clean,
) -> Result<Option<RunState>, String> {
    let probe = Probe::new(fault.clone());
    let scene = rig.fresh().await;
    let Some(scene) = patiently(disturbed(rig, scene, (flow, params), &probe)).await?? else { return Ok(None) };
    let entries = scene.journal.journal(&run_id(), 1, usize::MAX).await.map_err(|why| why.to_string())?;
    crate::journal::verify(&run_id(), None, &entries).map_err(|broken| broken.to_string())?;
    let Some(Event::Finished { state, .. }) = entries.last().map(|entry| &entry.event) else {
        return Err(format!("the run did not end: {:?}", entries.last()));
    };
    judge(&*scene.world, *state, &entries, clean)?;
    Ok(Some(*state))
}

async fn disturbed<R: Rig>(
    rig: &R,
    scene: Scene<R::World>,
    wanted: Wanted<'_, R::World>,
    probe: &Arc<Probe>,
) -> Result<Option<Scene<R::World>>, String> {
    let first = runner(&scene, wanted.0, probe);
    let begun = tokio::select! {
        begun = first.start(run_id(), request(wanted)) => begun.map(|_| ()).map_err(|why| why.to_string()),
        () = probe.crashed.cancelled() => Ok(()),
    };
    begun?;
    tokio::select! {
        biased;
        () = probe.crashed.cancelled() => {
            first.stop().await;
            drop(first);
            let scene = rig.crash_and_reopen(scene).await;
            return recover(scene, wanted).await.map(Some);
        }
        () = probe.stalled.cancelled() => {
            let Some(taken) = rig.take_over(&scene).await else { return Ok(None) };
            let taken = recover(taken, wanted).await?;
            probe.go_on.cancel();
            first.fenced().await;
            first.stop().await;
            return Ok(Some(taken));
        }
        ended = with_abort(&first, probe) => drop(ended?),
    }
    first.stop().await;
    let struck = probe.fired() || matches!(probe.fault, Fault::Abort(_));
    Ok(struck.then_some(scene))
}

async fn with_abort<W: MatrixWorld>(runner: &Runner<W>, probe: &Probe) -> Result<RunState, String> {
    let abort = async {
        probe.abort.notified().await;
        // Past its point of no return it is refused, and the run goes on: that is right, too.
        let _ = runner.command(&run_id(), Command::Abort, operator()).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = abort => Err("unreachable".to_owned()),
        state = to_the_end(runner) => state,
    }
}

/// The process after the crash: nothing goes wrong any more.
async fn recover<W: MatrixWorld>(scene: Scene<W>, wanted: Wanted<'_, W>) -> Result<Scene<W>, String> {
    let probe = Probe::new(Fault::None);
    let runner = runner(&scene, wanted.0, &probe);
    runner.recover().await.map_err(|why| why.to_string())?;
    to_the_end(&runner).await?;
    runner.stop().await;
    Ok(scene)
}

/// Follows the run to its end, and resumes it where it stands still.
async fn to_the_end<W: MatrixWorld>(runner: &Runner<W>) -> Result<RunState, String> {
    let mut resumes = 0;
    let mut follow = runner.follow(&run_id(), 1).await.map_err(|why| why.to_string())?;
    while let Some(update) = follow.next().await.map_err(|why| why.to_string())? {
        let Update::Entry(entry) = update else { continue };
        match entry.event {
            Event::Finished { state, .. } => {
                runner.wait_for_end(&run_id()).await;
                return Ok(state);
            }
            Event::Paused { why } if stands_still(runner, entry.seq).await => {
                resumes += 1;
                if resumes > MOST_RESUMES {
                    return Err(format!("the run stands still: {why}"));
                }
                runner.command(&run_id(), Command::Resume, operator()).await.map_err(|why| why.to_string())?;
            }
            _ => {}
        }
    }
    Err("the run's journal has no end".to_owned())
}

/// Whether that line still holds. One that was read from the journal itself may be there a moment before the runner's book has it: to take the
/// book's word then would leave the run standing for ever.
async fn stands_still<W: MatrixWorld>(runner: &Runner<W>, line: u64) -> bool {
    while runner.book(&run_id()).is_some_and(|book| book.seq < line) {
        tokio::task::yield_now().await;
    }
    runner.book(&run_id()).is_some_and(|book| book.state == RunState::Paused)
}

fn judge(world: &impl MatrixWorld, state: RunState, entries: &[Entry], clean: &Clean) -> Result<(), String> {
    let (digest, effects) = (world.digest(), world.effects());
    for (effect, count) in &effects {
        let allowed = clean.effects.get(effect).copied().unwrap_or(1).max(1);
        if *count > allowed {
            return Err(format!("the effect {effect:?} happened {count} times, {allowed} is right"));
        }
    }
    let committed = entries.iter().any(|entry| matches!(entry.event, Event::Committed { .. }));
    match state {
        RunState::Completed if digest != clean.end => {
            Err(format!("the world is {digest}, and should be {}", clean.end))
        }
        RunState::Completed if effects != clean.effects => {
            Err(format!("the effects are {effects:?}, and should be {:?}", clean.effects))
        }
        RunState::Unwound if !committed && digest != clean.start => {
            Err(format!("undone, the world is {digest}, and should be {}", clean.start))
        }
        RunState::Completed | RunState::Unwound => Ok(()),
        other => Err(format!("the run ended as {other}: {:?}", entries.last())),
    }
}

fn runner<W: MatrixWorld>(scene: &Scene<W>, flow: &Arc<dyn Flow<W>>, probe: &Arc<Probe>) -> Runner<W> {
    let flows = Registry::new().with(ProbedFlow { inner: flow.clone(), probe: probe.clone() });
    let journal = Arc::new(ProbedJournal { inner: scene.journal.clone(), probe: probe.clone() });
    let options = Options { cancel_grace: Duration::from_secs(1), ..Options::default() };
    let admission = scene.admission.clone();
    let (world, fence) = (scene.world.clone(), scene.fence.clone());
    Runner::with_admission(world, journal, flows, admission, fence, Arc::new(SystemClock), options)
}

fn request<W: MatrixWorld>((flow, params): Wanted<'_, W>) -> Request {
    let (flow, params) = (flow.name().to_owned(), params.clone());
    Request { flow, params, actor: operator(), approved: true, expect_fingerprint: None }
}

fn run_id() -> RunId {
    RunId::from("matrix-run")
}

fn operator() -> Actor {
    Actor("operator/matrix".to_owned())
}

async fn patiently<T>(what: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, what).await.map_err(|_| format!("no end within {PATIENCE:?}"))
}
