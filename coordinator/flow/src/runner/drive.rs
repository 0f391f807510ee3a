//! Driving one run: inputs to the engine, its orders to the journal and to the steps. When the journal cannot be written the run's memory is
//! thrown away and the run begins again from what the journal says, exactly as after a crash; there is no second way to recover.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use slipway_errors::{Code, Coded};
use slipway_types::{RunId, StepId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::attempt::{self, Finished};
use super::{Ask, Handle, Inner, lock};
use crate::attempt::Back;
use crate::engine::{End, Engine, Input, Order};
use crate::{Attempt, Book, JournalError, Line, Plan, Step};

/// How many commands may wait for a run.
const MOST_ASKS: usize = 16;

/// How many attempts that ended meanwhile are written down together.
const MOST_TOGETHER: usize = 256;

/// How long the journal may take for an append before the run begins again from it.
const APPEND_DEADLINE: Duration = Duration::from_secs(30);

/// Why a drive ended before its run.
enum Halt {
    /// Nothing may be done any more.
    Stop,
    /// The journal could not be written: begin again from it.
    Again(Coded),
}

struct Drive<W> {
    inner: Arc<Inner<W>>,
    plan: Arc<Plan<W>>,
    steps: Arc<BTreeMap<StepId, Arc<dyn Step<W>>>>,
    engine: Engine,
    durable: u64,
    shared: Arc<Mutex<Book>>,
    running: FuturesUnordered<BoxFuture<'static, Finished>>,
    tokens: BTreeMap<StepId, CancellationToken>,
}

impl<W: Send + Sync + 'static> Inner<W> {
    /// Takes a run on: from now on it is open in this process until it has ended.
    pub(super) fn take_on(self: &Arc<Self>, plan: Arc<Plan<W>>, engine: Engine, first: Input, held: bool) {
        let run = engine.book().run.clone();
        let (asks, asked) = mpsc::channel(MOST_ASKS);
        let shared = Self::shared(engine.book());
        self.runs().insert(run.clone(), Handle { asks, book: shared.clone() });
        let inner = self.clone();
        self.tasks.spawn(async move {
            inner.clone().see_through(run.clone(), plan, engine, first, held, shared, asked).await;
            if !inner.stop.is_cancelled() {
                inner.forget(&run);
            }
        });
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one run, moved into its task once")]
    async fn see_through(
        self: Arc<Self>,
        run: RunId,
        plan: Arc<Plan<W>>,
        mut engine: Engine,
        mut first: Input,
        held: bool,
        shared: Arc<Mutex<Book>>,
        mut asked: mpsc::Receiver<Ask>,
    ) {
        engine.hold(held);
        let steps: Arc<BTreeMap<_, _>> = Arc::new(plan.steps().map(|step| (step.id(), step.clone())).collect());
        loop {
            let durable = engine.book().seq;
            // What the journal did not take is no part of the run.
            lock(&shared).clone_from(engine.book());
            let (inner, plan, steps, shared) = (self.clone(), plan.clone(), steps.clone(), shared.clone());
            let (running, tokens) = (FuturesUnordered::new(), BTreeMap::new());
            let mut drive = Drive { inner, plan, steps, engine, durable, shared, running, tokens };
            let halt = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                halt = drive.go_through(first, &mut asked) => halt,
            };
            match halt {
                Ok(()) | Err(Halt::Stop) => return,
                Err(Halt::Again(why)) => match self.read_again(&run, &drive.plan, &why).await {
                    Some(fresh) => engine = fresh,
                    None => return,
                },
            }
            first = Input::TakenOver;
            engine.hold(true);
        }
    }

    /// Waits until the journal can be read, and makes the engine anew from it.
    async fn read_again(&self, run: &RunId, plan: &Plan<W>, why: &Coded) -> Option<Engine> {
        tracing::warn!(%run, %why, "the journal could not be written; the run begins again from it");
        let mut pause = Duration::from_millis(200);
        let store = StepId::from("store");
        loop {
            self.live.say(run, &store, format!("waits for the store: {why}"));
            tokio::select! {
                () = self.stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(10));
            if let Ok(book) = self.read_book(run).await {
                self.live.forget(run);
                return Some(self.engine(plan, book));
            }
        }
    }
}

impl<W: Send + Sync + 'static> Drive<W> {
    async fn go_through(&mut self, first: Input, asked: &mut mpsc::Receiver<Ask>) -> Result<(), Halt> {
        let mut ended = self.inner.ended.subscribe();
        self.update_hold();
        self.input(first).await?;
        while !self.engine.is_over() {
            let wake = self.engine.next_wake().map(|due| self.inner.began + due);
            let wake_at = wake.unwrap_or_else(tokio::time::Instant::now);
            tokio::select! {
                biased;
                Some(ask) = asked.recv() => self.answer(ask).await?,
                Some(finished) = self.running.next() => self.came_back(finished).await?,
                Ok(()) = ended.changed() => {
                    self.update_hold();
                    self.input(Input::Wake).await?;
                }
                () = tokio::time::sleep_until(wake_at), if wake.is_some() => self.input(Input::Wake).await?,
            }
        }
        Ok(())
    }

    fn update_hold(&mut self) {
        let before = self.inner.waits_for(self.engine.book());
        self.engine.hold(!before.is_empty());
        if !before.is_empty() {
            let says = format!("waits for {}", before.join(", "));
            self.inner.live.say(&self.engine.book().run, &StepId::from("queue"), says);
        }
    }

    /// Takes in an attempt that has ended, and with it those that have ended as well: one append makes all of them durable.
    async fn came_back(&mut self, first: Finished) -> Result<(), Halt> {
        let (mut next, mut ends) = (Some(first), Vec::new());
        while let Some(finished) = next {
            self.tokens.remove(&finished.step);
            match finished.back {
                Back::Fenced(why) => {
                    self.inner.lose(&why);
                    return Err(Halt::Stop);
                }
                Back::Ended(outcome) => {
                    ends.push(End { step: finished.step, attempt: finished.number, outcome });
                }
            }
            let more = (ends.len() < MOST_TOGETHER).then(|| self.running.next().now_or_never());
            next = more.flatten().flatten();
        }
        self.input(Input::Ended(ends)).await
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Halt> {
        let input = Input::Command(ask.command, ask.actor);
        match self.engine.step(input, self.inner.now()) {
            Err(refused) => {
                let _ = ask.answer.send(Err(refused));
                Ok(())
            }
            Ok(orders) => {
                let done = self.carry_out(orders).await;
                let answer = match &done {
                    Ok(()) => Ok(self.engine.book().state),
                    Err(Halt::Again(why)) => Err(why.clone()),
                    Err(Halt::Stop) => Err(Coded::new(Code::STORE_STALE_TERM, "this coordinator no longer leads")),
                };
                // Whoever asked may have gone.
                let _ = ask.answer.send(answer);
                done
            }
        }
    }

    async fn input(&mut self, input: Input) -> Result<(), Halt> {
        match self.engine.step(input, self.inner.now()) {
            Ok(orders) => self.carry_out(orders).await,
            Err(refused) => Err(Halt::Again(refused)),
        }
    }

    async fn carry_out(&mut self, orders: Vec<Order>) -> Result<(), Halt> {
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
        let inner = &self.inner;
        let run = &self.engine.book().run;
        let append = inner.journal.append(run, self.durable, lines, &inner.fence);
        let entries = match tokio::time::timeout(APPEND_DEADLINE, append).await {
            Ok(Ok(entries)) => entries,
            Ok(Err(JournalError::Stale(why))) => {
                inner.lose(&why);
                return Err(Halt::Stop);
            }
            Ok(Err(error)) => return Err(Halt::Again(error.coded().clone())),
            Err(_) => {
                let what = format!("the journal gave no answer within {APPEND_DEADLINE:?}");
                return Err(Halt::Again(Coded::new(Code::STORE_IO, what)));
            }
        };
        self.durable += entries.len() as u64;
        {
            let mut shared = lock(&self.shared);
            for entry in &entries {
                shared.apply(entry);
            }
        }
        inner.live.entries(&entries);
        inner.release(&self.plan, self.engine.book());
        Ok(())
    }

    fn execute(&mut self, attempt: Attempt) {
        // The engine was made from this very plan, so the step is there; were it not, the attempt stays open and the run visibly stands.
        let Some(step) = self.steps.get(&attempt.step).cloned() else {
            tracing::error!(run = %attempt.run, step = %attempt.step, "the plan lacks a step that the engine knows");
            return;
        };
        let token = self.inner.stop.child_token();
        self.tokens.insert(attempt.step.clone(), token.clone());
        self.running.push(Box::pin(attempt::run(self.inner.clone(), step, attempt, token)));
    }
}
