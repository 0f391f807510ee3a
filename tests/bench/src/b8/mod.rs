//! B8: how long a drain takes, against `kubectl drain` of the cluster's own version at the same API server. Both are called as an operator calls them,
//! the start of the command included; the pods, the budget and the audit log are a real cluster's.

use anyhow::Context;
use serde::Deserialize;

use crate::figure::{Figure, Target, Unit};
use crate::lab;
use crate::statistics::{Spread, quantile};

/// The benchmark.
pub(crate) const ID: &str = "B8";
/// What is beside the pods' own time: the command, the plan, the journal, the look whether it is true.
const BESIDE_MS: f64 = 100.0;
/// An opening budget has to be seen by then.
const REACTION_MS: f64 = 150.0;
const REQUESTS: f64 = 4.0;
/// kubectl empties nodes one by one; of so many times as are nodes half is to be won.
const SHARE_OF_NODES: f64 = 0.5;

/// What the lab measured, in seconds.
#[derive(Debug, Deserialize)]
struct Drains {
    kubernetes: String,
    exits: Contest,
    several: Contest,
    opening: Contest,
    budget: Contest,
}

#[derive(Debug, Default, Clone, Deserialize)]
struct Contest {
    nodes: usize,
    pods: usize,
    ours: Vec<f64>,
    peer: Vec<f64>,
    floor: Vec<f64>,
    ours_requests: Vec<f64>,
    peer_requests: Vec<f64>,
}

/// Measures, in so many rounds.
pub(crate) fn run(rounds: usize) -> anyhow::Result<Vec<Figure>> {
    figures(&lab::measured("drain", rounds)?)
}

fn figures(seen: &Drains) -> anyhow::Result<Vec<Figure>> {
    let kubectl = format!("kubectl {}", seen.kubernetes);
    let (exits, several, budget) = (&seen.exits, &seen.several, &seen.budget);
    let all = format!("{} pods of one node that take 2 s to end", exits.pods);
    let nodes = format!("{} pods on {} nodes, one command", several.pods, several.nodes);
    let behind = format!("{} pods behind a budget of one, replaced in about 3 s", budget.pods);
    Ok(vec![
        whole(exits, all, &kubectl)?.target(Target::TimesLess(1.0)),
        beyond(exits, &kubectl)?,
        requests(exits, "API requests a pod, one node", &kubectl)?,
        whole(several, nodes, &kubectl)?.target(Target::TimesLess(several.nodes as f64 * SHARE_OF_NODES)),
        requests(several, "API requests a pod, several nodes", &kubectl)?,
        whole(budget, behind, &kubectl)?.target(Target::TimesLess(1.5)),
        requests(budget, "API requests a pod, behind a budget of one", &kubectl)?,
        reaction(&seen.opening, &kubectl)?,
    ])
}

/// What is left of a drain without what its pods took in the same round.
fn beyond(seen: &Contest, kubectl: &str) -> anyhow::Result<Figure> {
    let left =
        |seconds: &[f64]| seconds.iter().zip(&seen.floor).map(|(all, pods)| (all - pods) * 1e3).collect::<Vec<_>>();
    let what = "one node, beyond what its pods take";
    let figure = line(what, Unit::Milliseconds, &left(&seen.ours), &left(&seen.peer), kubectl)?;
    Ok(figure.target(Target::AtMost(BESIDE_MS)))
}

fn line(what: impl Into<String>, unit: Unit, ours: &[f64], peer: &[f64], kubectl: &str) -> anyhow::Result<Figure> {
    let spread = Spread::of(ours).context("nothing was measured")?;
    Ok(Figure::new(ID, what, unit, spread).against(kubectl, ours, peer))
}

fn whole(seen: &Contest, what: String, kubectl: &str) -> anyhow::Result<Figure> {
    let floor = quantile(&seen.floor, 0.5).context("no floor was measured")?;
    Ok(line(what, Unit::Seconds, &seen.ours, &seen.peer, kubectl)?.floor(floor))
}

fn requests(seen: &Contest, what: &str, kubectl: &str) -> anyhow::Result<Figure> {
    let figure = line(what, Unit::Count, &seen.ours_requests, &seen.peer_requests, kubectl)?;
    Ok(figure.target(Target::AtMost(REQUESTS)))
}

/// Of less than a hundred, the worst is the 99th percentile.
fn reaction(seen: &Contest, kubectl: &str) -> anyhow::Result<Figure> {
    let ms = |seconds: &[f64]| seconds.iter().map(|taken| taken * 1e3).collect::<Vec<_>>();
    let what = "from a budget that opens to the eviction";
    Ok(line(what, Unit::Milliseconds, &ms(&seen.ours), &ms(&seen.peer), kubectl)?.never_above(REACTION_MS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn contest(ours: f64, peer: f64, floor: f64) -> Contest {
        let (ours, peer, floor) = (vec![ours; 3], vec![peer; 3], vec![floor; 3]);
        Contest { nodes: 3, pods: 30, ours_requests: vec![2.0; 3], peer_requests: vec![5.0; 3], ours, peer, floor }
    }

    fn seen() -> Drains {
        Drains {
            kubernetes: "1.33.13".to_owned(),
            exits: contest(2.3, 4.6, 2.25),
            several: contest(3.0, 6.0, 2.5),
            opening: contest(0.05, 2.5, 0.0),
            budget: contest(30.0, 36.0, 27.0),
        }
    }

    #[test]
    fn each_figure_is_beside_kubectl_and_a_losing_one_is_told() {
        let figures = figures(&seen()).unwrap();
        let reached: Vec<_> = figures.iter().map(|figure| figure.reached == Some(true)).collect();
        assert_eq!(reached, [true, true, true, true, true, false, true, true]);
        let names: BTreeSet<_> = figures.iter().map(|figure| &figure.what).collect();
        assert_eq!(names.len(), figures.len(), "a baseline finds a figure by its name");
        assert!(figures.iter().all(|figure| figure.peer.as_ref().is_some_and(|peer| peer.name == "kubectl 1.33.13")));
        assert!((figures[1].ours.median - 50.0).abs() < 1e-6, "{:?}", figures[1].ours);
    }

    #[test]
    fn one_slow_reaction_is_one_too_many() {
        let mut slow = seen();
        slow.opening.ours[1] = 0.151;
        assert_eq!(figures(&slow).unwrap()[7].reached, Some(false));
    }

    #[test]
    fn what_was_not_measured_is_an_error() {
        let none = Drains { exits: Contest::default(), ..seen() };
        assert!(figures(&none).is_err());
    }
}
