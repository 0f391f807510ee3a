//! A node whose pods share a budget of one, and whose successors take about three seconds to be ready: what counts is how soon the next one is asked
//! for when a successor is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::drain::Drain;
use super::pair::{Contest, turns};
use super::site::{Pods, Site, tick};

const NODE: &str = "w1";
const PODS: usize = 10;
/// With about one more until it is placed and its container starts.
const SECONDS: u32 = 2;
const REPLACED: Duration = Duration::from_mins(1);

/// Measures.
pub(super) fn measure(site: &mut Site<'_>, rounds: usize) -> Result<Contest> {
    let pods = Pods { name: "replaced".to_owned(), count: PODS, seconds: SECONDS };
    site.keep_others_free(NODE)?;
    site.start(&pods)?;
    site.budget(&pods, 1)?;
    site.let_others_serve(NODE)?;
    let mut contest = Contest::of(1, PODS);
    for round in 1..=rounds {
        for who in turns(round) {
            gather(site, &pods)?;
            let drained = Drain::begin(site.lab, who, &[NODE])?.ended()?;
            let (name, requests) = (who.name(), drained.window.own());
            eprintln!("  a budget of one, round {round}: {name} {:.1} s, {requests} requests", drained.seconds);
            contest.note(who, &drained);
        }
        let one = replaced(site, &pods)?;
        eprintln!("  a budget of one, round {round}: {one:.2} s until a pod is replaced");
        contest.floor.push(one * (PODS - 1) as f64);
    }
    site.remove(&pods)?;
    Ok(contest)
}

/// Lays all pods on the node that will be drained.
fn gather(site: &mut Site<'_>, pods: &Pods) -> Result<()> {
    site.keep_others_free(NODE)?;
    site.end(pods)?;
    site.run_on(pods, NODE)?;
    site.let_others_serve(NODE)?;
    site.counted(pods, 1)
}

/// Seconds from the end of one pod until the budget lets the next one go: whoever asks for one after the other waits for that so often.
fn replaced(site: &mut Site<'_>, pods: &Pods) -> Result<f64> {
    site.counted(pods, 1)?;
    let begun = Instant::now();
    site.end_one(pods)?;
    let (mut shut, mut open) = (false, false);
    while !open {
        let allowed = site.allowed(pods)?;
        shut |= allowed == 0;
        open = shut && allowed > 0;
        ensure!(begun.elapsed() < REPLACED, "no successor is ready, or its budget never shut");
        tick();
    }
    Ok(begun.elapsed().as_secs_f64())
}
