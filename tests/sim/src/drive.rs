//! Drives one run: inputs to the engine, its orders to the store's journal and to the steps. As in the product's runner: first the journal, then
//! the effect; and where the journal cannot be written, the run begins again from what the journal says.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::future::{BoxFuture, Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use slipway_events::Actor;
use slipway_flow::attempt::{Back, judge, late, perform};
use slipway_flow::claims::claimed;
use slipway_flow::engine::{End, Engine, Input, Now, Order, Outcome};
use slipway_flow::{Attempt, Book, Command, JournalError, Line, Plan, Step, StepCx};
use slipway_types::{Clock, StepId};
use tokio_util::sync::CancellationToken;

use crate::leader::Leader;
use crate::message::{Answer, Ask};
use crate::mutants::Mutant;
use crate::site::{Site, lock};

/// How long a step that was asked to end early may take.
const GRACE: Duration = Duration::from_secs(30);

/// What others may ask of an open run.
#[derive(Default)]
pub struct Handle {
    asks: Mutex<(VecDeque<Command>, Option<Waker>)>,
    /// The run's state.
    pub book: Mutex<Option<Book>>,
}

impl Handle {
    /// Asks something of the run.
    pub fn ask(&self, command: Option<Command>) {
        let mut asks = lock(&self.asks);
        asks.0.extend(command);
        if let Some(waker) = asks.1.take() {
            waker.wake();
        }
    }
}

struct Finished {
    step: StepId,
    number: u32,
    back: Back,
}

/// Why a drive ended before its run.
enum Halt {
    Stop,
    Again,
}

enum Next {
    Ask(Command),
    Came(Finished),
    Wake,
}

/// A run that is driven.
pub struct Drive {
    leader: Arc<Leader>,
    plan: Arc<Plan<Site>>,
    handle: Arc<Handle>,
    engine: Engine,
    durable: u64,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    tokens: BTreeMap<StepId, CancellationToken>,
    others: u64,
}

impl Drive {
    /// Takes a run to its end, or to the end of the leadership.
    pub async fn through(leader: Arc<Leader>, plan: Arc<Plan<Site>>, handle: Arc<Handle>, book: Book, first: Input) {
        let (run, mut book, mut first) = (book.run.clone(), book, first);
        loop {
            let (engine, durable) = (leader.engine(&plan, book.clone()), book.seq);
            let (running, tokens, others) = (FuturesUnordered::new(), BTreeMap::new(), leader.ended());
            let (one, plan, handle) = (leader.clone(), plan.clone(), handle.clone());
            let mut drive = Self { leader: one, plan, handle, engine, durable, running, tokens, others };
            match drive.go(first).await {
                Ok(()) => return leader.forget(&run),
                Err(Halt::Stop) => return leader.lose(),
                Err(Halt::Again) => {}
            }
            drop(drive);
            (book, first) = (leader.read_again(&run).await, Input::TakenOver);
        }
    }

    async fn go(&mut self, first: Input) -> Result<(), Halt> {
        self.hold();
        self.input(first).await?;
        while !self.engine.is_over() {
            match self.next().await {
                Next::Ask(command) => {
                    let input = Input::Command(command, Actor("operator/o1".to_owned()));
                    // What is refused changes nothing.
                    if let Ok(orders) = self.engine.step(input, self.now()) {
                        self.carry_out(orders).await?;
                    }
                }
                Next::Came(Finished { back: Back::Fenced(_), .. }) => return Err(Halt::Stop),
                Next::Came(Finished { step, number, back: Back::Ended(outcome) }) => {
                    self.tokens.remove(&step);
                    self.input(Input::Ended(vec![End { step, attempt: number, outcome }])).await?;
                }
                Next::Wake => {
                    self.hold();
                    self.input(Input::Wake).await?;
                }
            }
        }
        Ok(())
    }

    fn hold(&mut self) {
        let waits = self.leader.waits_for(self.engine.book());
        self.others = self.leader.ended();
        self.engine.hold(waits);
    }

    async fn next(&mut self) -> Next {
        let wake = self.engine.next_wake().map(|due| due.saturating_sub(self.leader.site.clock.since_boot()));
        let shared = self.leader.site.shared.clone();
        let mut alarm = wake.map(|time| Box::pin(async move { shared.sleep(time).await }));
        std::future::poll_fn(|cx| {
            let mut asks = lock(&self.handle.asks);
            if let Some(command) = asks.0.pop_front() {
                return Poll::Ready(Next::Ask(command));
            }
            asks.1 = Some(cx.waker().clone());
            drop(asks);
            if let Poll::Ready(Some(finished)) = self.running.poll_next_unpin(cx) {
                return Poll::Ready(Next::Came(finished));
            }
            let alarmed = alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready());
            if alarmed || self.leader.ended() != self.others { Poll::Ready(Next::Wake) } else { Poll::Pending }
        })
        .await
    }

    fn now(&self) -> Now {
        let clock = &self.leader.site.clock;
        Now { steady: clock.since_boot(), wall_ms: clock.now().as_millisecond() }
    }

    async fn input(&mut self, input: Input) -> Result<(), Halt> {
        match self.engine.step(input, self.now()) {
            Ok(orders) => self.carry_out(orders).await,
            Err(_) => Err(Halt::Again),
        }
    }

    async fn carry_out(&mut self, orders: Vec<Order>) -> Result<(), Halt> {
        let mut orders = orders;
        if self.leader.site.mutant == Some(Mutant::DispatchedBeforeWritten) {
            orders.sort_by_key(|order| matches!(order, Order::Append(_)));
        }
        for order in orders {
            match order {
                Order::Append(lines) => self.append(lines).await?,
                Order::Execute(attempt) => self.execute(attempt),
                Order::Cancel(step) => {
                    if let Some(token) = self.tokens.get(&step) {
                        token.cancel();
                    }
                }
            }
        }
        Ok(())
    }

    async fn append(&mut self, lines: Vec<Line>) -> Result<(), Halt> {
        let site = &self.leader.site;
        let run = self.engine.book().run.clone();
        let append = site.store(Ask::Append(run, self.durable, lines, site.fence.clone()));
        // With the bug, steps are on their way while the journal is written.
        let answer = if site.mutant == Some(Mutant::DispatchedBeforeWritten) {
            let mut append = pin!(append);
            let running = &mut self.running;
            let mut early = Vec::new();
            let answer = std::future::poll_fn(|cx| {
                if let Poll::Ready(Some(finished)) = running.poll_next_unpin(cx) {
                    early.push(finished);
                }
                append.as_mut().poll(cx)
            })
            .await;
            for finished in early {
                self.running.push(Box::pin(std::future::ready(finished)));
            }
            answer
        } else {
            append.await
        };
        match answer.map_err(JournalError::from_coded) {
            Ok(Answer::Entries(entries)) => self.durable += entries.len() as u64,
            Err(JournalError::Stale(_)) => return Err(Halt::Stop),
            _ => return Err(Halt::Again),
        }
        let book = self.engine.book();
        *lock(&self.handle.book) = Some(book.clone());
        lock(&self.leader.site.claims).release(&book.run, || claimed(&self.plan, book));
        Ok(())
    }

    fn execute(&mut self, attempt: Attempt) {
        let Some(step) = self.plan.step(&attempt.step).cloned() else { return };
        let token = CancellationToken::new();
        self.tokens.insert(attempt.step.clone(), token.clone());
        self.running.push(Box::pin(one_attempt(self.leader.site.clone(), step, attempt, token)));
    }
}

/// One attempt, within its deadline: the product's order of questions, cut off by this clock.
async fn one_attempt(
    site: Arc<Site>,
    step: Arc<dyn Step<Site>>,
    attempt: Attempt,
    cancelled: CancellationToken,
) -> Finished {
    let acted = AtomicBool::new(false);
    let (clock, fence) = (site.clock.clone(), site.fence.clone());
    let cx = StepCx::new(&*site, &attempt, fence, cancelled.clone(), clock, Arc::new(|_, _, _| {}));
    let work = pin!(perform(&*site, &*step, &cx, &attempt, &acted));
    let deadline = step.policy().deadline;
    let cut = async {
        let late = pin!(site.shared.sleep(deadline));
        let asked = pin!(async {
            cancelled.cancelled().await;
            site.shared.sleep(GRACE).await;
        });
        select(late, asked).await;
    };
    let back = match select(work, pin!(cut)).await {
        Either::Left((Ok(outcome), _)) => Back::Ended(outcome),
        Either::Left((Err(error), _)) => judge(error, &acted, attempt.undoing),
        Either::Right(_) => Back::Ended(late(&acted, attempt.undoing, "no end in time".to_owned())),
    };
    let assumed = site.mutant == Some(Mutant::StepAssumedDone) && !attempt.undoing && puts_back(&attempt.step);
    let back = match back {
        Back::Ended(Outcome::Retry { .. } | Outcome::Wait { .. })
            if assumed && acted.load(std::sync::atomic::Ordering::SeqCst) =>
        {
            Back::Ended(Outcome::Done { record: Vec::new() })
        }
        back => back,
    };
    Finished { step: attempt.step.clone(), number: attempt.number, back }
}

/// Where a bug that assumes too much shows for certain: nothing follows that would ask again.
fn puts_back(step: &StepId) -> bool {
    step.as_str().starts_with("back-into-service")
}
