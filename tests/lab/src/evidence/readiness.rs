//! Watches every API server by itself, past the address for all: how many were away at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::https::Client;
use crate::lab::Lab;
use crate::scene::administrator;

const PERIOD: Duration = Duration::from_millis(400);

/// A watch over the API servers of these hosts.
pub(crate) struct ReadinessWatch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<usize>>>,
}

impl ReadinessWatch {
    /// Begins to watch all masters' API servers.
    pub(crate) fn begin(lab: &Lab) -> Result<Self> {
        let credentials = administrator(lab)?;
        let masters = lab.masters();
        let clients: Result<Vec<_>> = masters.iter().map(|host| Client::new(&host.address(), &credentials)).collect();
        let (clients, over) = (clients?, Arc::<AtomicBool>::default());
        let ends = Arc::clone(&over);
        Ok(Self { over, thread: Some(thread::spawn(move || watch(clients, &ends))) })
    }

    /// Ends it: the most that were away at one time.
    pub(crate) fn most_away(mut self) -> Result<usize> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the watch was ended before"))?;
        let counts = thread.join().map_err(|_| anyhow!("the watch panicked"))?;
        counts.into_iter().max().ok_or_else(|| anyhow!("the watch has not looked once"))
    }
}

impl Drop for ReadinessWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn watch(mut clients: Vec<Client>, over: &AtomicBool) -> Vec<usize> {
    let mut counts = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let ready = |client: &mut Client| client.ask("GET", "/readyz", "").is_ok_and(|reply| reply.status == 200);
        counts.push(clients.iter_mut().map(ready).filter(|ready| !ready).count());
        thread::sleep(PERIOD);
    }
    counts
}
