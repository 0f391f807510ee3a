//! Several nodes in one command. kubectl empties one after the other.

use anyhow::Result;

use super::drain::Drain;
use super::pair::{Contest, turns};
use super::site::{Pods, Site};

const NODES: [&str; 3] = ["w1", "w2", "w3"];
/// On each.
const PODS: usize = 10;
const SECONDS: u32 = 2;

/// Measures.
pub(super) fn measure(site: &mut Site<'_>, rounds: usize) -> Result<Contest> {
    let all = NODES.map(|node| (node, Pods { name: format!("several-{node}"), count: PODS, seconds: SECONDS }));
    for (node, pods) in &all {
        site.pin(pods, node)?;
    }
    let mut contest = Contest::of(NODES.len(), PODS * NODES.len());
    for round in 1..=rounds {
        for who in turns(round) {
            let drained = Drain::begin(site.lab, who, &NODES)?.ended()?;
            all.iter().try_for_each(|(node, pods)| site.run_on(pods, node))?;
            let (name, requests) = (who.name(), drained.window.own());
            eprintln!("  {} nodes, round {round}: {name} {:.2} s, {requests} requests", NODES.len(), drained.seconds);
            contest.note(who, &drained);
        }
        let alone = site.end_of_all(&all)?;
        all.iter().try_for_each(|(node, pods)| site.run_on(pods, node))?;
        eprintln!("  {} nodes, round {round}: {alone:.2} s where nobody drains", NODES.len());
        contest.floor.push(alone);
    }
    all.iter().try_for_each(|(_, pods)| site.remove(pods))?;
    Ok(contest)
}
