//! A budget that opens while a drain stands before it, at an instant that nobody knows ahead. The API server's own record says when it opened and
//! when the pod behind it was asked for, to the microsecond.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::audit::reactions;
use super::drain::{Drain, Who};
use super::pair::{Contest, turns};
use super::site::{Pods, Site};

const NODE: &str = "w1";
/// In one drain; each lets one pod go.
const OPENINGS: usize = 4;
/// kubectl asks again every five seconds: an instant of a span as long meets it anywhere.
const EARLIEST: Duration = Duration::from_secs(1);
const SPAN: Duration = Duration::from_secs(5);

/// Measures.
pub(super) fn measure(site: &mut Site<'_>, rounds: usize) -> Result<Contest> {
    let pods = Pods { name: "opening".to_owned(), count: OPENINGS, seconds: 1 };
    site.budget(&pods, 0)?;
    site.pin(&pods, NODE)?;
    let mut contest = Contest::of(1, 1);
    for round in 1..=rounds {
        for who in turns(round) {
            let seen = open_one_by_one(site, &pods, who)?;
            eprintln!("  an opening budget, round {round}: {} {seen:.3?} s", who.name());
            match who {
                Who::Ours => contest.ours.extend(seen),
                Who::Peer => contest.peer.extend(seen),
            }
        }
    }
    site.remove(&pods)?;
    Ok(contest)
}

fn open_one_by_one(site: &mut Site<'_>, pods: &Pods, who: Who) -> Result<Vec<f64>> {
    site.budget(pods, 0)?;
    site.run_on(pods, NODE)?;
    site.counted(pods, 0)?;
    let drain = Drain::begin(site.lab, who, &[NODE])?;
    site.is_cordoned(NODE)?;
    for opened in 1..=OPENINGS {
        std::thread::sleep(EARLIEST + at_random(SPAN));
        site.budget(pods, opened)?;
        site.left_on(pods, NODE, OPENINGS - opened)?;
    }
    let drained = drain.ended().context("with all budgets open")?;
    let seen = reactions(drained.window.entries(), &pods.name)?;
    ensure!(seen.len() == OPENINGS, "{} of {OPENINGS} openings are in the record", seen.len());
    Ok(seen)
}

fn at_random(span: Duration) -> Duration {
    let draw = RandomState::new().hash_one(()) % 1_000;
    span * draw as u32 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_at_random_lies_within_its_span() {
        assert!((0..100).all(|_| at_random(SPAN) < SPAN));
    }
}
