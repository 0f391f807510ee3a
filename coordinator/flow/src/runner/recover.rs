//! Taking over what an earlier process left open. All open runs are read before the first of them goes on, so that every node they may have
//! touched is counted.

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_events::{Actor, Event, RunState};
use slipway_types::RunId;
use tokio::sync::mpsc;

use super::{Ask, Handle, Inner, Runner, lock};
use crate::claims::claimed;
use crate::engine::{Command, Engine, Input};
use crate::{Book, JournalError, Line, Plan};

/// How many entries are read at once.
const PAGE: usize = 2_000;

impl<W: Send + Sync + 'static> Runner<W> {
    /// Reads every open run and goes on with it. Returns their ids. Call it once, before anything is started.
    pub async fn recover(&self) -> Result<Vec<RunId>, Coded> {
        let inner = &self.inner;
        let heads = inner.journal.open_runs().await.map_err(|error| error.coded().clone())?;
        let mut ready: Vec<(Arc<Plan<W>>, Engine)> = Vec::new();
        let mut parked = Vec::new();
        let mut runs = Vec::new();
        for head in heads {
            let run = head.first.run;
            let book = inner.read_book(&run).await.map_err(|error| error.coded().clone())?;
            runs.push(run);
            match inner.plan_again(&book) {
                Ok(plan) => {
                    lock(&inner.claims).take_over(&book.run, claimed(&plan, &book));
                    let engine = inner.engine(&plan, book);
                    ready.push((Arc::new(plan), engine));
                }
                Err(why) => {
                    lock(&inner.claims).take_over(&book.run, book.nodes.clone());
                    parked.push((book, why));
                }
            }
        }
        for (book, why) in parked {
            inner.park(book, why).await?;
        }
        // All are known before the first goes on: a queued run has to see those before it.
        for (_, engine) in &ready {
            let book = Inner::<W>::shared(engine.book());
            let (asks, _) = mpsc::channel(1);
            inner.runs().insert(engine.book().run.clone(), Handle { asks, book });
        }
        for (plan, engine) in ready {
            inner.take_on(plan, engine, Input::TakenOver, true);
        }
        Ok(runs)
    }
}

impl<W: Send + Sync + 'static> Runner<W> {
    /// Goes on with a run that has a journal and that nobody goes on with: one whose first lines were written after its asker had been told that
    /// they could not be. False: there is no such run, or it has ended.
    pub async fn go_on_with(&self, run: &RunId) -> Result<bool, Coded> {
        let inner = &self.inner;
        let _one_at_a_time = inner.starting.lock().await;
        if inner.runs().contains_key(run) {
            return Ok(true);
        }
        let book = inner.read_book(run).await.map_err(|error| error.coded().clone())?;
        if book.seq == 0 || book.state.is_final() || inner.stop.is_cancelled() {
            return Ok(false);
        }
        match inner.plan_again(&book) {
            Ok(plan) => {
                lock(&inner.claims).take_over(run, claimed(&plan, &book));
                let engine = inner.engine(&plan, book);
                inner.take_on(Arc::new(plan), engine, Input::TakenOver, true);
            }
            Err(why) => {
                lock(&inner.claims).take_over(run, book.nodes.clone());
                inner.park(book, why).await?;
            }
        }
        Ok(true)
    }
}

impl<W: Send + Sync + 'static> Inner<W> {
    /// The state of a run, as its journal says.
    pub(super) async fn read_book(&self, run: &RunId) -> Result<Book, JournalError> {
        let mut book = Book::new(run.clone());
        loop {
            let page = self.journal.journal(run, book.seq + 1, PAGE).await?;
            for entry in &page {
                book.apply(entry);
            }
            if page.len() < PAGE {
                return Ok(book);
            }
        }
    }

    /// The run's plan, made again from what was stored. It has to be the same.
    fn plan_again(&self, book: &Book) -> Result<Plan<W>, Coded> {
        let changed = |what: String| {
            Coded::new(Code::RUN_PLAN_CHANGED, what)
                .do_this("go back to the release that began it, or finish by hand and abort it")
        };
        let flow = self.flows.get(&book.flow)?;
        let read = |text: &str| {
            serde_json::from_str(text)
                .map_err(|error| changed(format!("what run {} was made from cannot be read: {error}", book.run)))
        };
        let plan = flow.plan(&read(&book.params)?, &read(&book.facts)?)?;
        if plan.fingerprint() == book.fingerprint {
            Ok(plan)
        } else {
            Err(changed(format!("this release would make another plan for run {} ({})", book.run.short(), book.title)))
        }
    }

    /// A run that this program cannot carry on: it stands still and says why. Only ending it is possible.
    async fn park(self: &Arc<Self>, mut book: Book, why: Coded) -> Result<(), Coded> {
        let me = Actor::coordinator(&self.fence.holder);
        if book.state != RunState::Paused || book.why != why.to_string() {
            self.note(&mut book, me, Event::Paused { why: why.to_string() }).await?;
        }
        let (asks, mut asked) = mpsc::channel::<Ask>(4);
        let shared = Self::shared(&book);
        let run = book.run.clone();
        self.runs().insert(run.clone(), Handle { asks, book: shared.clone() });
        let inner = self.clone();
        self.tasks.spawn(async move {
            while let Some(Some(ask)) = inner.stop.run_until_cancelled(asked.recv()).await {
                let ends = match &ask.command {
                    Command::Abort => Some(why.to_string()),
                    Command::GiveUp(reason) => Some(format!("{} gave it up: {reason}; {why}", ask.actor.0)),
                    _ => None,
                };
                let answer = match ends {
                    Some(why) => {
                        let end = Event::Finished { state: RunState::NeedsOperator, why };
                        inner.note(&mut book, ask.actor, end).await.map(|()| book.state)
                    }
                    None => Err(why.clone()),
                };
                lock(&shared).clone_from(&book);
                let over = answer.is_ok();
                let _ = ask.answer.send(answer);
                if over {
                    lock(&inner.claims).release(&run, Vec::new);
                    inner.forget(&run);
                    return;
                }
            }
        });
        Ok(())
    }

    async fn note(&self, book: &mut Book, actor: Actor, event: Event) -> Result<(), Coded> {
        let line = Line { actor, at_ms: self.now().wall_ms, event };
        let appended = self.journal.append(&book.run, book.seq, vec![line], &self.fence).await;
        let entries = appended.map_err(|error| {
            if let JournalError::Stale(why) = &error {
                self.lose(why);
            }
            error.coded().clone()
        })?;
        for entry in &entries {
            book.apply(entry);
        }
        self.live.entries(&entries);
        Ok(())
    }
}
