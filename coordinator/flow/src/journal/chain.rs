//! The chain: each entry carries the hash of the one before, so a changed, dropped or inserted entry shows.

use sha2::{Digest, Sha256};
use slipway_events::Entry;
use slipway_types::{Fence, RunId};

use super::Line;

/// An entry that does not fit to the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry {seq} of run {run} does not fit to the one before it")]
pub struct Broken {
    /// The run.
    pub run: RunId,
    /// The first entry that does not fit.
    pub seq: u64,
}

/// The hash of an entry: SHA-256 over its JSON (whose fields have a fixed order), in hex.
pub fn hash_of(entry: &Entry) -> String {
    // An entry is strings and numbers: it always has a JSON form. Were that ever to change, the empty text breaks the chain visibly.
    let text = serde_json::to_vec(entry).unwrap_or_default();
    hex::encode(Sha256::digest(text))
}

/// Makes entries of `lines`, chained to `last`.
pub fn link(run: &RunId, last: Option<&Entry>, lines: Vec<Line>, fence: &Fence) -> Vec<Entry> {
    let mut seq = last.map_or(0, |entry| entry.seq);
    let mut previous = last.map(hash_of).unwrap_or_default();
    lines
        .into_iter()
        .map(|line| {
            seq += 1;
            let entry = Entry {
                run: run.clone(),
                seq,
                term: fence.term,
                actor: line.actor,
                at_ms: line.at_ms,
                previous: previous.clone(),
                event: line.event,
            };
            previous = hash_of(&entry);
            entry
        })
        .collect()
}

/// Checks that `entries` of `run` follow each other without a gap, the first one after `before` (none: it begins the run).
pub fn verify(run: &RunId, before: Option<&Entry>, entries: &[Entry]) -> Result<(), Broken> {
    let mut seq = before.map_or(0, |entry| entry.seq);
    let mut previous = before.map(hash_of).unwrap_or_default();
    for entry in entries {
        seq += 1;
        if entry.run != *run || entry.seq != seq || entry.previous != previous {
            return Err(Broken { run: run.clone(), seq });
        }
        previous = hash_of(entry);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use slipway_events::{Actor, Event};

    fn lines(count: usize) -> Vec<Line> {
        (0..count)
            .map(|index| Line {
                actor: Actor("operator/alice".into()),
                at_ms: 7,
                event: Event::AlreadyTrue { step: format!("s{index}").into() },
            })
            .collect()
    }

    #[test]
    fn entries_count_from_one_and_go_on_from_the_last() {
        let run = RunId::from("r1");
        let first = link(&run, None, lines(2), &Fence::default());
        let then = link(&run, first.last(), lines(1), &Fence::default());
        assert_eq!(then[0].seq, 3);
        assert_eq!(verify(&run, None, &first), Ok(()));
        assert_eq!(verify(&run, first.last(), &then), Ok(()));
        assert_eq!(verify(&run, None, &then), Err(Broken { run, seq: 1 }));
    }

    proptest! {
        #[test]
        fn whatever_is_changed_taken_out_or_swapped_breaks_the_chain(at in 0_usize..6, how in 0..3) {
            let run = RunId::from("r1");
            let mut entries = link(&run, None, lines(8), &Fence::default());
            match how {
                0 => entries[at].at_ms += 1,
                1 => drop(entries.remove(at)),
                _ => entries.swap(at, at + 1),
            }
            prop_assert!(verify(&run, None, &entries).is_err());
        }
    }
}
