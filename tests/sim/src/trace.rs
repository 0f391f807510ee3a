//! What happened, in order, as one hash: two runs of a seed that differ anywhere differ here. The last lines are kept for whoever reads a failure.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// How many lines a failure shows.
const KEPT: usize = 60;

/// The trace of one simulation.
#[derive(Debug)]
pub struct Trace {
    hash: Sha256,
    line: String,
    kept: VecDeque<String>,
    keep: usize,
}

impl Trace {
    /// An empty one; with `all`, every line is kept.
    pub fn new(all: bool) -> Self {
        let keep = if all { usize::MAX } else { KEPT };
        Self { hash: Sha256::new(), line: String::new(), kept: VecDeque::new(), keep }
    }

    /// Adds a line.
    pub fn line(&mut self, now: Duration, what: std::fmt::Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.line, "{:>9}.{:03} {what}", now.as_millis(), now.subsec_micros() % 1_000);
        self.hash.update(self.line.as_bytes());
        self.hash.update(b"\n");
        if self.kept.len() >= self.keep {
            self.kept.pop_front();
        }
        self.kept.push_back(self.line.clone());
    }

    /// The hash so far.
    pub fn hash(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// The lines that were kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }
}
