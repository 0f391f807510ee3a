//! What the guard says of its master, as plain data: what is written, in which order, and what a word is worth by its age. What writes and reads it is
//! in [`super::Told`].

use std::time::Duration;

use crate::decide::{EXPIRES, Verdict};

/// A file that keepalived goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The moment of the word, in milliseconds since boot.
    Heard,
    /// The number that is added with the weight of being well.
    Well,
    /// The number that is added with the weight of holding the address.
    Holds,
}

impl Part {
    /// Its file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Heard => "heard",
            Self::Well => "well",
            Self::Holds => "holds",
        }
    }
}

/// What is written for a verdict. The moment goes first: a new word must not be judged by the age of the one before.
pub fn said(now: Duration, verdict: &Verdict) -> [(Part, String); 3] {
    let number = |yes: bool| if yes { "1\n" } else { "0\n" }.to_owned();
    [
        (Part::Heard, format!("{}\n", now.as_millis())),
        (Part::Well, number(verdict.well)),
        (Part::Holds, number(verdict.holds)),
    ]
}

/// The last word, as it is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Word {
    /// It says that the master is well.
    pub well: bool,
    /// When it was said, since boot.
    pub heard: Option<Duration>,
}

impl Word {
    /// From what the files have.
    pub fn read(well: Option<&str>, heard: Option<&str>) -> Self {
        let heard = heard.and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
        Self { well: well.is_some_and(|text| text.trim() == "1"), heard }
    }

    /// A master that was said to be well, and the word still holds.
    pub fn was_well(&self, now: Duration) -> bool {
        self.well && self.holds_good(now)
    }

    /// What keepalived asks each second: whether it may go on believing the number in `well`. A number that says no needs no age, or a guard that is dead
    /// would count twice against its master.
    pub fn may_be_believed(&self, now: Duration) -> bool {
        !self.well || self.holds_good(now)
    }

    fn holds_good(&self, now: Duration) -> bool {
        // A moment that is still to come is of another boot.
        self.heard.is_some_and(|heard| heard <= now && now.saturating_sub(heard) <= EXPIRES)
    }
}
