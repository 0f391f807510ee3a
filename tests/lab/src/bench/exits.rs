//! A node with nothing in the way of its drain: its pods take two seconds to end, all at the same time.

use anyhow::Result;

use super::drain::Drain;
use super::pair::{Contest, turns};
use super::site::{Pods, Site};

const NODE: &str = "w1";
const PODS: usize = 30;
const SECONDS: u32 = 2;

/// Measures.
pub(super) fn measure(site: &mut Site<'_>, rounds: usize) -> Result<Contest> {
    let pods = Pods { name: "exits".to_owned(), count: PODS, seconds: SECONDS };
    site.pin(&pods, NODE)?;
    let mut contest = Contest::of(1, PODS);
    // The first one warms up, for whatever is measured after this too.
    for round in 0..=rounds {
        for who in turns(round) {
            let drained = Drain::begin(site.lab, who, &[NODE])?.ended()?;
            site.run_on(&pods, NODE)?;
            let (name, requests) = (who.name(), drained.window.own());
            eprintln!("  {PODS} pods, round {round}: {name} {:.2} s, {requests} requests", drained.seconds);
            if round > 0 {
                contest.note(who, &drained);
            }
        }
        let alone = site.end_of_all(&[(NODE, pods.clone())])?;
        site.run_on(&pods, NODE)?;
        eprintln!("  {PODS} pods, round {round}: {alone:.2} s where nobody drains");
        if round > 0 {
            contest.floor.push(alone);
        }
    }
    site.remove(&pods)?;
    Ok(contest)
}
