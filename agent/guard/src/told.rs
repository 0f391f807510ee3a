//! What keepalived is told, in three small files: `well` and `holds`, whose numbers it weighs as soon as they change, and `heard`, the moment of the
//! last word, which the check that keepalived runs each second compares with the clock. A file of keepalived's has no age of its own, so without that
//! check a guard that hangs would vouch for its master for ever.

mod word;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_host::{Error, Host};

pub use self::word::{Part, Word, said};
use crate::decide::{EXPIRES, Verdict};

/// More than any of the files has.
const LIMIT: usize = 4096;

/// The folder with the files.
#[derive(Debug, Clone)]
pub struct Told {
    folder: PathBuf,
}

/// What a person is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shown {
    /// It is well.
    pub well: bool,
    /// It holds the address.
    pub holds: bool,
    /// Why it is well, or not.
    pub why: String,
    /// How keepalived's unit is, as systemd has it.
    pub keepalived: String,
    /// When it was said, in milliseconds since boot.
    pub at_ms: u64,
}

impl Shown {
    /// The guard is at work.
    pub fn is_fresh(&self, now: Duration) -> bool {
        let at = Duration::from_millis(self.at_ms);
        at <= now && now.saturating_sub(at) <= EXPIRES
    }
}

impl Told {
    /// In that folder, which has to be there.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The number that is added with the weight of being well.
    pub fn well(&self) -> PathBuf {
        self.file(Part::Well)
    }

    /// The number that is added with the weight of holding the address.
    pub fn holds(&self) -> PathBuf {
        self.file(Part::Holds)
    }

    fn file(&self, part: Part) -> PathBuf {
        self.folder.join(part.name())
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state.json")
    }

    /// Writes all of it. A number that stays is not written again: keepalived would read it again.
    pub async fn tell(&self, host: &Host, now: Duration, verdict: &Verdict, keepalived: &str) -> Result<(), Error> {
        for (part, text) in said(now, verdict, self.word()) {
            let path = self.file(part);
            if part == Part::Heard || host.files.read(&path, LIMIT).await?.as_deref() != Some(text.as_bytes()) {
                host.files.write(&path, text.as_bytes(), 0o644).await?;
            }
        }
        let Verdict { well, holds, ref why } = *verdict;
        let at_ms = now.as_millis() as u64;
        let shown = Shown { well, holds, why: why.clone(), keepalived: keepalived.to_owned(), at_ms };
        let shown = serde_json::to_vec(&shown)
            .map_err(|error| Error::Unreadable { doing: "saying how it is".into(), why: error.to_string() })?;
        host.files.write(&self.state(), &shown, 0o644).await
    }

    /// What was said last, for a person.
    pub fn shown(&self) -> Option<Shown> {
        serde_json::from_str(&small(&self.state())?).ok()
    }

    /// The last word.
    pub fn word(&self) -> Word {
        let text = |part| small(&self.file(part));
        Word::read(text(Part::Well).as_deref(), text(Part::Heard).as_deref())
    }
}

fn small(path: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(LIMIT as u64).read_to_string(&mut text).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_host::Profiles;

    fn verdict(well: bool) -> Verdict {
        Verdict { well, holds: false, why: "so".into() }
    }

    fn told() -> (tempfile::TempDir, Told, Host) {
        let folder = tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap();
        let told = Told::at(folder.path());
        (folder, told, Host::linux(Profiles::embedded().unwrap()))
    }

    #[tokio::test]
    async fn a_word_that_says_well_is_believed_until_it_expires() {
        let (_folder, told, host) = told();
        let at = Duration::from_secs(100);
        told.tell(&host, at, &verdict(true), "active").await.unwrap();
        for (now, believed) in [(at, true), (at + EXPIRES, true), (at + EXPIRES + Duration::from_millis(1), false)] {
            assert_eq!((told.word().may_be_believed(now), told.word().was_well(now)), (believed, believed), "{now:?}");
        }
        assert!(!told.word().may_be_believed(Duration::from_secs(99)), "a moment to come is of another boot");
        std::fs::remove_file(told.file(Part::Heard)).unwrap();
        assert!(!told.word().may_be_believed(at), "a word without a moment");
    }

    #[tokio::test]
    async fn a_word_that_says_sick_needs_no_age_and_neither_does_none() {
        let (_folder, told, host) = told();
        assert!(
            told.word().may_be_believed(Duration::ZERO) && !told.word().was_well(Duration::ZERO),
            "nothing was said yet"
        );
        told.tell(&host, Duration::from_secs(1), &verdict(false), "active").await.unwrap();
        assert!(told.word().may_be_believed(Duration::from_hours(1)));
        told.tell(&host, Duration::from_secs(2), &verdict(true), "active").await.unwrap();
    }

    #[tokio::test]
    async fn a_number_that_stays_is_not_written_again() {
        let (_folder, told, host) = told();
        told.tell(&host, Duration::from_secs(1), &verdict(true), "active").await.unwrap();
        let stamp = host.files.stamp(&told.well()).await.unwrap();
        told.tell(&host, Duration::from_secs(2), &verdict(true), "active").await.unwrap();
        assert_eq!(host.files.stamp(&told.well()).await.unwrap(), stamp, "keepalived would read it again each time");
        assert_eq!(told.shown().unwrap().at_ms, 2_000);
    }
}
