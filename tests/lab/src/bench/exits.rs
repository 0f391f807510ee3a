//! A node with nothing in the way of its drain: its pods take two seconds to end, all at the same time.

use anyhow::Result;

use super::drain::Drain;
use super::pair::{Contest, alternate};
use super::site::{Pods, Site};

const NODE: &str = "w1";
const PODS: usize = 30;
const SECONDS: u32 = 2;

/// Measures.
pub(super) fn measure(site: &mut Site<'_>, rounds: usize) -> Result<Contest> {
    let pods = Pods { name: "exits".to_owned(), count: PODS, seconds: SECONDS };
    site.pin(&pods, NODE)?;
    let mut contest = Contest::of(1, PODS);
    alternate(rounds, |round, who| {
        let drained = Drain::begin(site.lab, who, &[NODE])?.ended()?;
        site.run_on(&pods, NODE)?;
        eprintln!("  {PODS} pods, round {round}: {} {:.2} s, {} requests", who.name(), drained.seconds, drained.window.own());
        if round > 0 {
            contest.note(who, &drained);
        }
        Ok(())
    })?;
    for _ in 0..rounds {
        contest.floor.push(site.end_of_all(&[(NODE, pods.clone())])?);
        site.run_on(&pods, NODE)?;
    }
    eprintln!("  {PODS} pods end by themselves in {:?} s", contest.floor);
    site.remove(&pods)?;
    Ok(contest)
}
