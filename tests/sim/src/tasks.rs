//! Runs the coordinators' futures, in the order in which they were woken. A process that ends takes its futures with it where they stand; a stopped
//! one keeps them, and goes on later without having noticed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::future::BoxFuture;

#[derive(Debug, Default)]
struct Ready {
    queue: VecDeque<u64>,
    queued: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Bell(Mutex<Ready>);

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, task: u64) {
        let mut ready = self.lock();
        if ready.queued.insert(task) {
            ready.queue.push_back(task);
        }
    }

    fn next(&self) -> Option<u64> {
        let mut ready = self.lock();
        let task = ready.queue.pop_front()?;
        ready.queued.remove(&task);
        Some(task)
    }
}

struct Pull {
    task: u64,
    bell: Arc<Bell>,
}

impl Wake for Pull {
    fn wake(self: Arc<Self>) {
        self.bell.ring(self.task);
    }
}

type Begun = Vec<(usize, BoxFuture<'static, ()>)>;

/// Where tasks are begun from anywhere.
#[derive(Clone, Default)]
pub struct Spawner(Arc<Mutex<Begun>>);

impl Spawner {
    /// Begins a task of that coordinator.
    pub fn spawn(&self, coordinator: usize, task: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((coordinator, Box::pin(task)));
    }

    fn take(&self) -> Begun {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The tasks of all coordinators.
#[derive(Default)]
pub struct Tasks {
    bell: Arc<Bell>,
    tasks: BTreeMap<u64, (usize, BoxFuture<'static, ()>, Waker)>,
    stopped: BTreeMap<usize, Vec<u64>>,
    next: u64,
    /// Begins tasks.
    pub spawner: Spawner,
}

impl Tasks {
    /// Runs until every task waits.
    pub fn run(&mut self) {
        loop {
            for (coordinator, future) in self.spawner.take() {
                self.next += 1;
                let waker = Waker::from(Arc::new(Pull { task: self.next, bell: self.bell.clone() }));
                self.tasks.insert(self.next, (coordinator, future, waker));
                self.bell.ring(self.next);
            }
            let Some(task) = self.bell.next() else { return };
            let Some((coordinator, future, waker)) = self.tasks.get_mut(&task) else { continue };
            if let Some(waiting) = self.stopped.get_mut(coordinator) {
                waiting.push(task);
                continue;
            }
            if future.as_mut().poll(&mut Context::from_waker(waker)) == Poll::Ready(()) {
                self.tasks.remove(&task);
            }
        }
    }

    /// The process ends.
    pub fn kill(&mut self, coordinator: usize) {
        self.stopped.remove(&coordinator);
        self.tasks.retain(|_, (owner, ..)| *owner != coordinator);
    }

    /// The process is stopped.
    pub fn stop(&mut self, coordinator: usize) {
        self.stopped.entry(coordinator).or_default();
    }

    /// The process goes on.
    pub fn go_on(&mut self, coordinator: usize) {
        for task in self.stopped.remove(&coordinator).unwrap_or_default() {
            self.bell.ring(task);
        }
    }
}
