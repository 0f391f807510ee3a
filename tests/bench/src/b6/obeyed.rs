//! Agents that note whom they obey, and when: that a new coordinator leads is not what it says of itself, but that a host does what it says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use slipway_agent::core::Setup;
use slipway_agent::witness::{Note, Record};
use slipway_errors::Coded;
use tokio::sync::watch;

use crate::works::{First, preceded};

/// A step takes that long on a host, so that at any moment one is under way.
const STEP: Duration = Duration::from_millis(20);

/// A command that an agent took.
#[derive(Debug, Clone, PartialEq)]
struct Obeyed {
    at: Instant,
    /// The coordinator.
    by: String,
}

/// One coordinator was obeyed, and then another.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) after: Duration,
    pub(super) from: String,
    pub(super) to: String,
}

/// All commands that agents took.
#[derive(Debug, Default)]
pub(super) struct Log {
    all: Mutex<Vec<Obeyed>>,
    count: watch::Sender<usize>,
}

impl Log {
    fn add(&self, by: String) {
        let count = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(Obeyed { at: Instant::now(), by });
            all.len()
        };
        // Whoever waits looks into the list while the count cannot change: with the list held here, both would wait for each other.
        self.count.send_replace(count);
    }

    fn find<T>(&self, find: impl FnOnce(&[Obeyed]) -> Option<T>) -> Option<T> {
        find(&self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Who was obeyed last.
    pub(super) fn leader(&self) -> Option<String> {
        self.find(|all| all.last().map(|obeyed| obeyed.by.clone()))
    }

    /// Waits until somebody else than `old` is obeyed: when that was.
    pub(super) async fn another(&self, old: &str, since: Instant, patience: Duration) -> Option<Instant> {
        let mut count = self.count.subscribe();
        let first = || {
            self.find(|all| {
                let later = all.iter().rev().take_while(|obeyed| obeyed.at >= since);
                later.filter(|obeyed| obeyed.by != old).last().map(|obeyed| obeyed.at)
            })
        };
        let _ = tokio::time::timeout(patience, count.wait_for(|_| first().is_some())).await;
        first()
    }

    /// When another coordinator was obeyed than the one before it, since `then`, and over how many commands that was seen.
    pub(super) fn changes(&self, then: Instant) -> (Vec<Change>, usize) {
        let read = |all: &[Obeyed]| {
            let since: Vec<&Obeyed> = all.iter().filter(|obeyed| obeyed.at >= then).collect();
            let change = |pair: &[&Obeyed]| {
                let [from, to] = pair else { return None };
                let after = to.at.duration_since(then);
                (from.by != to.by).then(|| Change { after, from: from.by.clone(), to: to.by.clone() })
            };
            (since.windows(2).filter_map(change).collect(), since.len())
        };
        self.find(|all| Some(read(all))).unwrap_or_default()
    }

    /// How many commands of that coordinator were taken after `then`.
    pub(super) fn taken_from(&self, by: &str, then: Instant) -> usize {
        let of = |all: &[Obeyed]| all.iter().filter(|obeyed| obeyed.by == by && obeyed.at > then).count();
        self.find(|all| Some(of(all))).unwrap_or_default()
    }
}

/// An agent that notes in `log` whom it obeys, and whose steps take their time.
pub(super) fn noting(log: &Arc<Log>, setup: Setup) -> Setup {
    let record = Arc::new(Noting { inner: setup.record.clone(), log: log.clone() });
    preceded(Setup { record, ..setup }, TakesTime)
}

#[derive(Debug)]
struct Noting {
    inner: Arc<dyn Record>,
    log: Arc<Log>,
}

impl Record for Noting {
    fn record(&self, note: &Note) -> std::io::Result<()> {
        self.inner.record(note)?;
        if let Some(by) = obeyed(note) {
            self.log.add(by.to_owned());
        }
        Ok(())
    }
}

/// The coordinator whose command is about to be done. What the agent notes of itself, and refusals, are no commands.
fn obeyed(note: &Note) -> Option<&str> {
    let begins = note.about == "operation" && note.code.is_none();
    let (_, id) = note.caller.split_once("coordinator/").filter(|_| begins)?;
    // Behind it stands where it called from.
    id.split(' ').next()
}

#[derive(Debug)]
struct TakesTime;

#[async_trait]
impl First for TakesTime {
    async fn first(&self) -> Result<(), Coded> {
        tokio::time::sleep(STEP).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_command_is_obedience() {
        let note = |caller: &str, about: &str| Note {
            caller: caller.to_owned(),
            about: about.to_owned(),
            code: None,
            says: String::new(),
        };
        assert_eq!(obeyed(&note("slipway://bench/coordinator/c2 at 127.0.0.1:7", "operation")), Some("c2"));
        assert_eq!(obeyed(&note("agent", "operation")), None, "its end");
        assert_eq!(obeyed(&note("slipway://bench/coordinator/c2", "Describe")), None);
        let refused = Note {
            code: Some(slipway_errors::Code::FENCE_OLD_TERM),
            ..note("slipway://bench/coordinator/c1", "operation")
        };
        assert_eq!(obeyed(&refused), None);
    }

    #[tokio::test]
    async fn the_first_command_of_another_counts_and_later_ones_of_the_old_are_counted() {
        let (log, begun) = (Log::default(), Instant::now());
        for by in ["c1", "c1", "c2", "c2", "c1"] {
            log.add(by.to_owned());
        }
        let first = log.another("c1", begun, Duration::ZERO).await.unwrap();
        assert_eq!(log.find(|all| Some(all[2].at)), Some(first));
        assert_eq!((log.taken_from("c1", first), log.leader().as_deref()), (1, Some("c1")));
        let (changes, commands) = log.changes(begun);
        let told: Vec<_> = changes.iter().map(|change| (change.from.as_str(), change.to.as_str())).collect();
        assert_eq!((told, commands), (vec![("c1", "c2"), ("c2", "c1")], 5));
        assert_eq!(log.another("c1", Instant::now(), Duration::ZERO).await, None);
    }

    #[test]
    fn whoever_waits_and_whoever_notes_do_not_wait_for_each_other() {
        let (log, done) = (Arc::new(Log::default()), std::sync::mpsc::channel());
        let (noting, told) = (log.clone(), done.0.clone());
        std::thread::spawn(move || {
            (0..20_000).for_each(|_| noting.add("c1".to_owned()));
            told.send(())
        });
        std::thread::spawn(move || {
            let reactor = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let begun = Instant::now();
            for _ in 0..50 {
                reactor.block_on(log.another("c1", begun, Duration::from_millis(1)));
            }
            done.0.send(())
        });
        for _ in 0..2 {
            assert!(done.1.recv_timeout(Duration::from_mins(1)).is_ok(), "one of them waits for ever");
        }
    }
}
