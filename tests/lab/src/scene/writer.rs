//! A client that writes ten times a second through the address for all, whatever happens to the masters: what it was told is written
//! must be there in the end, and the longest time in which nothing could be written is what an outage felt like.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::eventually::eventually;
use crate::https::Client;
use crate::lab::Lab;
use crate::scene::credentials::administrator;

const NAMESPACE: &str = "lab-writer";
const PERIOD: Duration = Duration::from_millis(100);
/// The API server deletes what is in a namespace piece by piece, each with a write to etcd: ten thousand pieces after an upgrade.
const TAKEN_AWAY: &str = "--timeout=8m";
/// Enough to say that it writes.
const FIRST: usize = 5;

/// A writer at work.
pub(crate) struct ConfigMapWriter<'a> {
    lab: &'a Lab,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    thread: Option<JoinHandle<History>>,
}

/// What it met with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Writes that it was told are done.
    pub(crate) acknowledged: usize,
    /// Writes of which it was told otherwise, or nothing.
    pub(crate) failed: usize,
    /// The longest time between two acknowledgements.
    pub(crate) longest_gap: Duration,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, failed, longest_gap } = self;
        write!(f, "{acknowledged} writes acknowledged, {failed} not, longest gap {:.1} s", longest_gap.as_secs_f32())
    }
}

impl<'a> ConfigMapWriter<'a> {
    /// Begins to write, each time another ConfigMap: a later write must not hide that an earlier one was lost.
    pub(crate) fn begin(lab: &'a Lab) -> Result<Self> {
        lab.kubectl(&["create", "namespace", NAMESPACE])?;
        let client = Client::new(&lab.shape().endpoint(), &administrator(lab)?)?;
        let (over, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (ends, count) = (Arc::clone(&over), Arc::clone(&acknowledged));
        let thread = Some(thread::spawn(move || write(client, &ends, &count)));
        let writer = Self { lab, over, acknowledged, thread };
        eventually("the first writes to be acknowledged", Duration::from_secs(10), || {
            let done = writer.acknowledged.load(Ordering::Relaxed);
            ensure!(done >= FIRST, "{done} are");
            Ok(())
        })?;
        Ok(writer)
    }

    /// Stops, says what it met with, and checks that all that was acknowledged is there.
    pub(crate) fn lost_nothing(mut self) -> Result<Written> {
        let history = self.stop()?;
        let listed = self.lab.kubectl(&["-n", NAMESPACE, "get", "configmaps", "-o", "name"])?;
        let there: BTreeSet<&str> = listed.lines().filter_map(|line| line.strip_prefix("configmap/")).collect();
        let lost: Vec<&String> = history.names().filter(|name| !there.contains(name.as_str())).collect();
        ensure!(lost.is_empty(), "{} acknowledged writes are lost: {lost:?}", lost.len());
        let written = history.sum();
        println!("       writer: {written}; last failure: {}", history.last_failure.as_deref().unwrap_or("none"));
        self.lab.kubectl(&["delete", "namespace", NAMESPACE, TAKEN_AWAY])?;
        Ok(written)
    }

    fn stop(&mut self) -> Result<History> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the writer was stopped before"))?;
        thread.join().map_err(|_| anyhow!("the writer panicked"))
    }
}

impl Drop for ConfigMapWriter<'_> {
    fn drop(&mut self) {
        // A test that failed leaves no thread behind; what it wrote goes with its cluster.
        let _ = self.stop();
    }
}

#[derive(Default)]
struct History {
    /// What was acknowledged, and when.
    done: Vec<(String, Duration)>,
    failed: usize,
    last_failure: Option<String>,
    ended: Duration,
}

impl History {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.done.iter().map(|(name, _)| name)
    }

    /// The time from the last acknowledgement to the end counts too.
    fn sum(&self) -> Written {
        let mut gap = Duration::ZERO;
        let moments = self.done.iter().map(|(_, at)| *at).chain([self.ended]);
        moments.reduce(|before, at| {
            gap = gap.max(at.saturating_sub(before));
            at
        });
        Written { acknowledged: self.done.len(), failed: self.failed, longest_gap: gap }
    }
}

fn write(mut client: Client, over: &AtomicBool, acknowledged: &AtomicUsize) -> History {
    let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let (start, mut turn, mut history) = (Instant::now(), Duration::ZERO, History::default());
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("tick-{number:06}");
        let body = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{name}"}},"data":{{"n":"{number}"}}}}"#
        );
        match client.ask("POST", &path, &body) {
            Ok(reply) if reply.status == 201 => {
                history.done.push((name, start.elapsed()));
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Ok(reply) => history.fails(format!("{}: {}", reply.status, reply.body)),
            Err(error) => history.fails(format!("{error:#}")),
        }
        // A write that took long is not made up for: the rhythm goes on from here.
        turn = (turn + PERIOD).max(start.elapsed());
        thread::sleep(turn.saturating_sub(start.elapsed()));
    }
    history.ended = start.elapsed();
    history
}

impl History {
    fn fails(&mut self, how: String) {
        self.failed += 1;
        self.last_failure = Some(how.chars().take(200).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_may_be_the_last() {
        let at = |name: &str, ms| (name.to_owned(), Duration::from_millis(ms));
        let mut history = History { done: vec![at("a", 100), at("b", 900), at("c", 1000)], ..History::default() };
        history.ended = Duration::from_millis(1050);
        assert_eq!(history.sum().longest_gap, Duration::from_millis(800));
        history.ended = Duration::from_secs(5);
        assert_eq!(history.sum().longest_gap, Duration::from_secs(4));
    }

    #[test]
    fn a_writer_that_wrote_nothing_says_so() {
        assert_eq!(History::default().sum().acknowledged, 0);
    }
}
