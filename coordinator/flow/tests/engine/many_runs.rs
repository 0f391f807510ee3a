//! Several runs, several processes: conflicts, admission, takeover, and a journal that cannot be written for a while.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::toy::{Desk, Steps, Toy, ToyStep, alice, fence};
use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_events::{Entry, Event, RunState};
use slipway_flow::{Admission, AdmissionRequest, AdmitAll, Command, Journal, JournalError, Line, RunHead, StepError};
use slipway_types::{Fence, RunId};

fn waits(id: &str) -> ToyStep {
    let error = StepError::wait(Coded::new(Code::KUBE_UNREACHABLE, "away"));
    ToyStep::troubled(id, error, |toy| !toy.lock().cordons.contains_key("mended"))
}

fn mend(desk: &Desk) {
    desk.world.lock().cordons.insert("mended".into(), "test".into());
}

fn flows() -> Vec<Steps> {
    vec![Steps("work", vec![waits("a")]), Steps("later", vec![ToyStep::flag("b")])]
}

#[tokio::test(start_paused = true)]
async fn two_runs_never_work_on_one_node() {
    let desk = Desk::new(flows());
    desk.start("r1", "work", "w1").await.unwrap();
    let refused = desk.start("r2", "work", "w1").await.unwrap_err();
    assert_eq!(refused.code, Code::RUN_CONFLICT);
    assert!(desk.story("r2").await.is_empty(), "a refused run left a journal");
    desk.start("r3", "work", "w2").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_begins_when_the_one_before_it_has_ended_also_in_another_process() {
    let desk = Desk::new(flows());
    desk.start("r1", "work", "w1").await.unwrap();
    desk.start("r2", "later", "w1").await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(desk.story("r2").await.len(), 2, "it began beside the other");
    let desk = desk.next(flows(), 2).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!desk.story("r2").await.iter().any(|event| matches!(event, Event::Started { .. })));
    mend(&desk);
    assert_eq!(desk.end("r2").await.0, RunState::Completed);
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_can_be_aborted() {
    let desk = Desk::new(flows());
    desk.start("r1", "work", "w1").await.unwrap();
    desk.start("r2", "later", "w1").await.unwrap();
    desk.runner.command(&"r2".into(), Command::Abort, alice()).await.unwrap();
    assert_eq!(desk.end("r2").await.0, RunState::Unwound);
}

/// At most one node out of service; remembers how many there were at once.
#[derive(Default)]
struct OneAtATime {
    asked: AtomicUsize,
}

#[async_trait]
impl Admission<Toy> for OneAtATime {
    async fn admit(&self, world: &Toy, request: &AdmissionRequest) -> Result<(), StepError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut out: BTreeSet<String> = world.lock().cordons.keys().cloned().collect();
        out.extend(request.under_way.keys().map(ToString::to_string));
        out.remove(request.node.as_str());
        // Looking takes its time: what others do meanwhile can only be known from the claims.
        tokio::time::sleep(Duration::from_millis(50)).await;
        if out.is_empty() {
            Ok(())
        } else {
            Err(StepError::wait(Coded::new(Code::BUDGET_EXCEEDED, format!("{out:?} are out of service"))))
        }
    }
}

/// Takes a node out for a while; complains if another is out meanwhile.
fn disruption() -> ToyStep {
    let step = ToyStep::flag("cordon");
    ToyStep {
        node: Some(crate::toy::node("w1")),
        disrupts_by_id: true,
        act: Arc::new(|cx| {
            let mut state = cx.world.lock();
            assert!(state.cordons.is_empty(), "two nodes are out of service: {:?}", state.cordons);
            state.cordons.insert(cx.step.0.replace("cordon-", ""), cx.run.0.clone());
            state.reset.insert(cx.step.0.clone());
            Ok(Vec::new())
        }),
        ..step
    }
}

/// Puts the node back, a while after it was taken out.
fn back_in_service() -> ToyStep {
    ToyStep {
        act: Arc::new(|cx| {
            let mut state = cx.world.lock();
            if state.operations.insert(cx.step.0.clone()) {
                let why = Coded::new(Code::KUBE_UNREACHABLE, "not yet");
                return Err(StepError::Wait { after: Some(Duration::from_secs(7)), why });
            }
            state.cordons.remove(&cx.step.0.replace("uncordon-", ""));
            state.reset.insert(cx.step.0.clone());
            Ok(Vec::new())
        }),
        ..ToyStep::flag("uncordon")
    }
}

#[tokio::test(start_paused = true)]
async fn runs_that_ask_together_take_turns_and_none_is_forgotten() {
    let flow = || vec![Steps("out", vec![disruption(), back_in_service()])];
    let admission = Arc::new(OneAtATime::default());
    let world = Arc::new(Toy::of(&["w1", "w2", "w3"]));
    world.journal.lead(fence(1));
    let desk = Desk::with(world.clone(), world.journal.clone(), admission.clone(), flow(), 1);
    for on in ["w1", "w2", "w3"] {
        desk.start(&format!("r-{on}"), "out", on).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(60)).await;
    // The process dies while one is out and two wait: the claims in the journals must not block each other.
    desk.runner.stop().await;
    world.journal.lead(fence(2));
    let desk = Desk::with(world.clone(), world.journal.clone(), admission.clone(), flow(), 2);
    desk.runner.recover().await.unwrap();
    for on in ["w1", "w2", "w3"] {
        let (state, why) = desk.end(&format!("r-{on}")).await;
        assert_eq!(state, RunState::Completed, "{why}");
    }
    assert!(admission.asked.load(Ordering::SeqCst) >= 4, "nobody had to wait");
    desk.runner.wait_for_end(&"r-w3".into()).await;
    assert!(desk.runner.under_way().is_empty(), "a claim was never given back");
}

#[tokio::test(start_paused = true)]
async fn an_admission_that_nothing_was_done_under_is_asked_for_anew() {
    // Another node fails while the attempt waits for something.
    let waits = |cx: &slipway_flow::StepCx<'_, Toy>| {
        let mut state = cx.world.lock();
        if !state.operations.insert("waited".to_owned()) {
            return Ok(());
        }
        state.cordons.insert("w2".to_owned(), "nobody".to_owned());
        Err(StepError::Wait { after: Some(Duration::from_secs(7)), why: Coded::new(Code::KUBE_UNREACHABLE, "away") })
    };
    let step = ToyStep { precheck: Arc::new(waits), ..disruption() };
    let world = Arc::new(Toy::of(&["w1", "w2"]));
    world.journal.lead(fence(1));
    let flows = vec![Steps("out", vec![step])];
    let desk = Desk::with(world.clone(), world.journal.clone(), Arc::new(OneAtATime::default()), flows, 1);
    desk.start("r1", "out", "w1").await.unwrap();
    let asked_again = |event: &Event| matches!(event, Event::Progress { says, .. } if says.contains("SLIP-BUDGET-001"));
    desk.until("r1", asked_again).await;
    world.lock().cordons.clear();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
}

/// Agrees to everything, and takes its time.
struct Slowly;

#[async_trait]
impl Admission<Toy> for Slowly {
    async fn admit(&self, _world: &Toy, _request: &AdmissionRequest) -> Result<(), StepError> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_ends_while_another_waits_to_be_admitted_stops_neither() {
    let cordon = ToyStep { disrupts_by_id: true, ..ToyStep::flag("cordon") };
    let world = Arc::new(Toy::of(&["w1", "w2", "w3"]));
    world.journal.lead(fence(1));
    let flows = vec![Steps("out", vec![cordon])];
    let desk = Desk::with(world.clone(), world.journal.clone(), Arc::new(Slowly), flows, 1);
    desk.start_with("r1", "out", serde_json::json!({"nodes": ["w1", "w2", "w3"]})).await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_release_with_another_plan_stands_still_and_can_only_be_told_to_end() {
    let desk = Desk::new(flows());
    desk.start("r1", "work", "w1").await.unwrap();
    desk.until("r1", |event| matches!(event, Event::Started { .. })).await;
    let changed = vec![Steps("work", vec![waits("a"), ToyStep::flag("new")]), Steps("later", vec![ToyStep::flag("b")])];
    let desk = desk.next(changed, 2).await;
    let paused = desk.until("r1", |event| matches!(event, Event::Paused { .. })).await;
    assert!(matches!(paused, Event::Paused { why } if why.contains("SLIP-RUN-003")));
    let refused = desk.runner.command(&"r1".into(), Command::Resume, alice()).await.unwrap_err();
    assert_eq!(refused.code, Code::RUN_PLAN_CHANGED);
    assert_eq!(desk.start("r2", "work", "w1").await.unwrap_err().code, Code::RUN_CONFLICT, "the node is still held");
    assert!(desk.runner.under_way().contains_key(&crate::toy::node("w1")), "it may be half out of service");
    desk.runner.command(&"r1".into(), Command::Abort, alice()).await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::NeedsOperator);
    desk.start("r2", "later", "w1").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_old_release_takes_its_run_up_again() {
    let desk = Desk::new(flows());
    desk.start("r1", "work", "w1").await.unwrap();
    let desk = desk.next(vec![Steps("other", vec![ToyStep::flag("x")])], 2).await;
    desk.until("r1", |event| matches!(event, Event::Paused { .. })).await;
    let desk = desk.next(flows(), 3).await;
    mend(&desk);
    desk.until("r1", |event| matches!(event, Event::TakenOver)).await;
    desk.runner.command(&"r1".into(), Command::Resume, alice()).await.unwrap();
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
}

/// A journal on a disk that is full while `full` says so.
struct Filling {
    inner: Arc<dyn Journal>,
    full: Arc<AtomicBool>,
}

#[async_trait]
impl Journal for Filling {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        if self.full.load(Ordering::SeqCst) && after > 1 {
            return Err(JournalError::Store(Coded::new(Code::STORE_FULL, "no room is left")));
        }
        self.inner.append(run, after, lines, fence).await
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

#[tokio::test(start_paused = true)]
async fn on_a_full_disk_nothing_is_done_the_reason_is_shown_and_room_is_enough_to_go_on() {
    let world = Arc::new(Toy::of(&["w1"]));
    world.journal.lead(fence(1));
    let full = Arc::new(AtomicBool::new(true));
    let journal = Arc::new(Filling { inner: world.journal.clone(), full: full.clone() });
    let desk = Desk::with(world, journal, Arc::new(AdmitAll), vec![Steps("work", vec![ToyStep::flag("a")])], 1);
    desk.start("r1", "work", "w1").await.unwrap();
    tokio::time::sleep(Duration::from_mins(5)).await;
    assert!(desk.world.lock().effects.is_empty(), "an effect without a line in the journal");
    let says = desk.runner.says(&"r1".into());
    assert!(says.values().any(|says| says.contains("SLIP-STORE-001")), "{says:?}");
    full.store(false, Ordering::SeqCst);
    assert_eq!(desk.end("r1").await.0, RunState::Completed);
    assert_eq!(desk.world.lock().effects["a-w1"], 1);
}

/// A journal whose first answer to an append is lost: the lines are written at once, or when somebody lets them.
struct Unanswered {
    inner: Arc<dyn Journal>,
    late: bool,
    lost: Mutex<Option<(RunId, Vec<Line>, Fence)>>,
    appends: AtomicUsize,
}

impl Unanswered {
    fn over(world: &Toy, late: bool) -> Arc<Self> {
        let (inner, lost, appends) = (world.journal.clone(), Mutex::default(), AtomicUsize::new(0));
        Arc::new(Self { inner, late, lost, appends })
    }

    async fn arrives(&self) {
        let (run, lines, fence) = self.lost.lock().unwrap().take().unwrap();
        self.inner.append(&run, 0, lines, &fence).await.unwrap();
    }
}

#[async_trait]
impl Journal for Unanswered {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        if self.appends.fetch_add(1, Ordering::SeqCst) > 0 {
            return self.inner.append(run, after, lines, fence).await;
        }
        *self.lost.lock().unwrap() = Some((run.clone(), lines, fence.clone()));
        if !self.late {
            self.arrives().await;
        }
        Err(JournalError::Store(Coded::new(Code::STORE_AWAY, "no answer")))
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

#[tokio::test(start_paused = true)]
async fn a_run_whose_first_lines_were_written_unanswered_is_not_left_to_itself() {
    for late in [false, true] {
        let world = Arc::new(Toy::of(&["w1"]));
        world.journal.lead(fence(1));
        let journal = Unanswered::over(&world, late);
        let flows = vec![Steps("work", vec![ToyStep::flag("a")])];
        let desk = Desk::with(world, journal.clone(), Arc::new(AdmitAll), flows, 1);
        let started = desk.start("r1", "work", "w1").await;
        assert_eq!(started.is_err(), late, "{started:?}");
        if late {
            assert!(!desk.runner.go_on_with(&"r1".into()).await.unwrap(), "there is none yet");
            journal.arrives().await;
            assert!(desk.runner.go_on_with(&"r1".into()).await.unwrap());
        }
        assert_eq!(desk.end("r1").await.0, RunState::Completed);
        assert_eq!(desk.world.lock().effects["a-w1"], 1);
        assert!(!desk.runner.go_on_with(&"r1".into()).await.unwrap(), "it has ended");
    }
}
