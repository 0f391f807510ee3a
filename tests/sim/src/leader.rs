//! A coordinator that leads: it goes on with every open run, begins those that operators ask for, and ends with its leadership.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slipway_events::{Actor, Event};
use slipway_flow::claims::claimed;
use slipway_flow::conflicts::{Claim, Conflicts, Decision};
use slipway_flow::engine::{Engine, Input, Shape};
use slipway_flow::{Book, Line, Plan};
use slipway_types::{Clock, RunId};
use tokio_util::sync::CancellationToken;

use crate::drive::{Drive, Handle};
use crate::flows;
use crate::message::{Answer, Ask};
use crate::people::Wish;
use crate::site::{Site, lock};
use crate::tasks::Spawner;

/// A leader at work.
pub struct Leader {
    /// What its steps work on.
    pub site: Arc<Site>,
    /// Done when the leadership is lost.
    pub lost: CancellationToken,
    spawner: Spawner,
    runs: Mutex<BTreeMap<RunId, Arc<Handle>>>,
    conflicts: Conflicts,
    starting: futures::lock::Mutex<()>,
    ended: AtomicU64,
}

impl Leader {
    /// A leader that has begun nothing yet.
    pub fn new(site: Site, lost: CancellationToken, spawner: Spawner) -> Arc<Self> {
        Arc::new(Self {
            site: Arc::new(site),
            lost,
            spawner,
            runs: Mutex::default(),
            conflicts: Conflicts::default(),
            starting: futures::lock::Mutex::default(),
            ended: AtomicU64::default(),
        })
    }

    /// How many runs have ended here.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::SeqCst)
    }

    /// Another leadership has begun.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    /// A run is not open any more.
    pub fn forget(&self, run: &RunId) {
        lock(&self.runs).remove(run);
        self.ended.fetch_add(1, Ordering::SeqCst);
        let others: Vec<_> = lock(&self.runs).values().cloned().collect();
        for handle in others {
            handle.ask(None);
        }
    }

    /// An engine for the run in `book`.
    pub fn engine(&self, plan: &Plan<Site>, book: Book) -> Engine {
        let actor = Actor::coordinator(&self.site.fence.holder);
        Engine::new(Arc::new(Shape::of(plan)), book, self.site.fence.term, actor, 0)
    }

    /// Whether the run has to wait for one that began before it.
    pub fn waits_for(&self, book: &Book) -> bool {
        let before = |other: &Book| (other.started_ms, &other.run) < (book.started_ms, &book.run);
        let others: Vec<Book> = self.books();
        others.iter().any(|other| {
            other.run != book.run
                && !other.state.is_final()
                && before(other)
                && self.conflicts.decide(claim_of(other), claim_of(book)) != Decision::Allow
        })
    }

    fn books(&self) -> Vec<Book> {
        let handles: Vec<_> = lock(&self.runs).values().cloned().collect();
        handles.iter().filter_map(|handle| lock(&handle.book).clone()).collect()
    }

    /// Reads the journal of a run until it can be read.
    pub async fn read_again(&self, run: &RunId) -> Book {
        let mut pause = Duration::from_millis(200);
        loop {
            self.site.shared.sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(10));
            if let Ok(Answer::Entries(entries)) = self.site.store(Ask::Journal(run.clone())).await {
                return Book::fold(run.clone(), &entries);
            }
        }
    }

    /// Goes on with every open run: all are read before the first of them goes on. False: the store does not answer.
    pub async fn recover(self: &Arc<Self>) -> bool {
        let Ok(Answer::Heads(heads)) = self.site.store(Ask::OpenRuns).await else { return false };
        let mut ready = Vec::new();
        for head in heads {
            let run = head.first.run;
            let journal = self.site.store(Ask::Journal(run.clone())).await;
            let Ok(Answer::Entries(entries)) = journal else { return false };
            let book = Book::fold(run, &entries);
            let Some(plan) = flows::again(&book, self.site.mutant) else { continue };
            lock(&self.site.claims).take_over(&book.run, claimed(&plan, &book));
            let handle = Arc::new(Handle::default());
            *lock(&handle.book) = Some(book.clone());
            lock(&self.runs).insert(book.run.clone(), handle.clone());
            ready.push((plan, handle, book));
        }
        for (plan, handle, book) in ready {
            self.site.shared.world().count("runs taken over");
            self.take_on(plan, handle, book, Input::TakenOver);
        }
        true
    }

    fn take_on(self: &Arc<Self>, plan: Plan<Site>, handle: Arc<Handle>, book: Book, first: Input) {
        self.spawner.spawn(self.site.me, Drive::through(self.clone(), Arc::new(plan), handle, book, first));
    }

    /// Does what operators ask for.
    pub fn hear(self: &Arc<Self>, ask: Ask) {
        match ask {
            Ask::Wish(wish) => {
                let leader = self.clone();
                self.spawner.spawn(self.site.me, async move { leader.start(wish).await });
            }
            Ask::Steer(run, command) => {
                if let Some(handle) = lock(&self.runs).get(&run) {
                    handle.ask(Some(command));
                }
            }
            _ => {}
        }
    }

    async fn start(self: Arc<Self>, wish: Wish) {
        let site = &self.site;
        let Some((facts, plan)) = flows::plan(site, &wish).await else { return };
        let _one_at_a_time = self.starting.lock().await;
        if self.refuses(&plan) {
            return;
        }
        let run = site.shared.world().next_run();
        let line = |event| {
            let at_ms = site.clock.now().as_millisecond();
            Line { actor: Actor("operator/o1".to_owned()), at_ms, event }
        };
        let planned = Event::Planned {
            flow: plan.flow.clone(),
            title: plan.title.clone(),
            nodes: plan.node_names(),
            claims: plan.claims.clone(),
            params: serde_json::to_string(&wish).unwrap_or_default(),
            facts,
            fingerprint: plan.fingerprint(),
        };
        let lines = vec![line(planned), line(Event::Approved)];
        let append = Ask::Append(run.clone(), 0, lines, site.fence.clone());
        let Ok(Answer::Entries(entries)) = site.store(append).await else { return };
        let (book, handle) = (Book::fold(run.clone(), &entries), Arc::new(Handle::default()));
        *lock(&handle.book) = Some(book.clone());
        lock(&self.runs).insert(run, handle.clone());
        site.shared.world().count("runs begun");
        self.take_on(plan, handle, book, Input::Begin);
    }

    fn refuses(&self, plan: &Plan<Site>) -> bool {
        let nodes = plan.node_names();
        let requested = Claim { flow: &plan.flow, nodes: &nodes, claims: &plan.claims };
        self.books().iter().any(|book| self.conflicts.decide(claim_of(book), requested) == Decision::Refuse)
    }
}

fn claim_of(book: &Book) -> Claim<'_> {
    Claim { flow: &book.flow, nodes: &book.nodes, claims: &book.claims }
}
