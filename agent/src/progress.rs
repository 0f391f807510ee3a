//! What an operation tells while it runs. Any number of watchers read one short memory at their own pace, so a slow one holds nothing up and
//! costs nothing; what it missed is named by the numbers that jump.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::journal::End;

/// How many sentences are remembered of one operation.
pub const REMEMBERED: usize = 256;

const LONGEST: usize = 1024;

/// A sentence with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counts from 1; a restart of the agent leaps, so that numbers never go back.
    pub seq: u64,
    /// For people.
    pub says: String,
}

/// What there was to read from a number on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The sentences that are remembered from there on.
    pub lines: Vec<Line>,
    /// The end with its number, once there is one.
    pub end: Option<(u64, End)>,
}

#[derive(Debug)]
struct Told {
    next: u64,
    lines: VecDeque<Line>,
    end: Option<(u64, End)>,
}

/// The memory of one operation's sentences.
#[derive(Debug)]
pub struct Progress {
    told: Mutex<Told>,
    changed: watch::Sender<u64>,
}

/// The first number after that many returns of the agent.
pub const fn first_seq(returns: u32) -> u64 {
    ((returns as u64) << 32) + 1
}

impl Progress {
    /// An empty memory whose numbers begin where that many returns put them.
    pub fn after_returns(returns: u32) -> Self {
        let next = first_seq(returns);
        Self { told: Mutex::new(Told { next, lines: VecDeque::new(), end: None }), changed: watch::Sender::new(next) }
    }

    /// Adds a sentence. Repeating the last one adds nothing.
    pub fn say(&self, says: impl Into<String>) {
        let mut says: String = says.into();
        if says.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|at| says.is_char_boundary(*at)).unwrap_or(0);
            says.truncate(end);
        }
        let mut told = self.lock();
        if told.end.is_some() || told.lines.back().is_some_and(|last| last.says == says) {
            return;
        }
        let seq = told.next;
        told.next += 1;
        if told.lines.len() == REMEMBERED {
            told.lines.pop_front();
        }
        told.lines.push_back(Line { seq, says });
        drop(told);
        self.changed.send_replace(seq);
    }

    /// Closes the memory with how the operation ended. Only the first end counts.
    pub fn end(&self, end: End) {
        let mut told = self.lock();
        if told.end.is_some() {
            return;
        }
        let seq = told.next;
        told.next += 1;
        told.end = Some((seq, end));
        drop(told);
        self.changed.send_replace(seq);
    }

    /// What is remembered from `from` on.
    pub fn read(&self, from: u64) -> Read {
        let told = self.lock();
        Read { lines: told.lines.iter().filter(|line| line.seq >= from).cloned().collect(), end: told.end.clone() }
    }

    /// The end, once there is one.
    pub fn ended(&self) -> Option<End> {
        self.lock().end.as_ref().map(|(_, end)| end.clone())
    }

    /// Wakes whoever waits for more. Read after subscribing, or a sentence may be missed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Outcome;

    fn end() -> End {
        End {
            outcome: Outcome::Done,
            at_ms: 0,
            says: "done".into(),
            code: String::new(),
            way_out: String::new(),
            changes: vec![],
            record: vec![],
        }
    }

    #[test]
    fn sentences_are_numbered_and_read_from_any_number_on() {
        let progress = Progress::after_returns(0);
        progress.say("one");
        progress.say("one");
        progress.say("two");
        let all = progress.read(0).lines;
        assert_eq!(all.iter().map(|line| (line.seq, line.says.as_str())).collect::<Vec<_>>(), [(1, "one"), (2, "two")]);
        assert_eq!(progress.read(2).lines.len(), 1);
        progress.end(end());
        progress.say("too late");
        assert_eq!(progress.read(3), Read { lines: vec![], end: Some((3, end())) });
    }

    #[test]
    fn only_the_last_sentences_are_remembered() {
        let progress = Progress::after_returns(0);
        for number in 0..REMEMBERED + 10 {
            progress.say(format!("{number} {}", "é".repeat(LONGEST)));
        }
        let lines = progress.read(0).lines;
        assert_eq!((lines.len(), lines[0].seq), (REMEMBERED, 11));
        assert!(lines.iter().all(|line| line.says.len() <= LONGEST));
    }

    #[test]
    fn numbers_never_go_back_over_a_restart() {
        let before = Progress::after_returns(0);
        before.say("x");
        let after = Progress::after_returns(1);
        after.say("y");
        assert!(after.read(0).lines[0].seq > before.read(0).lines[0].seq);
    }

    #[tokio::test]
    async fn a_watcher_is_woken_by_each_sentence_and_by_the_end() {
        let progress = Progress::after_returns(0);
        let mut woken = progress.subscribe();
        progress.say("x");
        woken.changed().await.unwrap();
        progress.end(end());
        woken.changed().await.unwrap();
        assert!(progress.ended().is_some());
    }
}
