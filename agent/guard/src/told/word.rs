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

/// What is written for a verdict, after that word. The moment goes first: a new word must not be judged by the age of the one before.
///
/// A word that has expired is not taken back by one that says no: keepalived's check has taken away what it gave, and goes on doing so until it runs
/// again. Both at once would count twice, and a holder would lose the address to a master that is no better.
pub fn said(now: Duration, verdict: &Verdict, before: Word) -> [(Part, String); 3] {
    let number = |yes: bool| if yes { "1\n" } else { "0\n" }.to_owned();
    let stays = !verdict.well && before.well && !before.holds_good(now);
    let heard = if stays { "expired\n".to_owned() } else { format!("{}\n", now.as_millis()) };
    [(Part::Heard, heard), (Part::Well, number(verdict.well || stays)), (Part::Holds, number(verdict.holds))]
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

#[cfg(test)]
mod tests {
    use super::*;

    fn after(now: u64, well: bool, before: Word) -> Word {
        let verdict = Verdict { well, holds: true, why: String::new() };
        let [(_, heard), (_, number), (_, holds)] = said(Duration::from_secs(now), &verdict, before);
        assert_eq!(holds, "1\n");
        Word::read(Some(&number), Some(&heard))
    }

    #[test]
    fn a_word_that_has_expired_is_not_taken_back_and_is_believed_by_nobody() {
        let well = after(100, true, Word::default());
        assert_eq!(after(102, false, well), Word { well: false, heard: Some(Duration::from_secs(102)) });
        let expired = after(105, false, well);
        assert_eq!(expired, Word { well: true, heard: None }, "the number stays as keepalived has it");
        assert_eq!(after(106, false, expired), expired);
        assert!(!expired.may_be_believed(Duration::from_secs(106)) && !expired.was_well(Duration::from_secs(106)));
        assert!(after(120, true, expired).was_well(Duration::from_secs(121)));
    }
}
