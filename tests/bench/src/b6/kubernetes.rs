//! The other election that everybody has: that of Kubernetes' own controllers, by their lease, beside our coordinators on the same masters of the lab.

use anyhow::Context;
use serde::Deserialize;

use super::ID;
use crate::figure::{Figure, Target, Unit};
use crate::lab;
use crate::statistics::Spread;

/// How many times sooner another one has to lead.
const TIMES: f64 = 10.0;

/// What the lab measured, in milliseconds.
#[derive(Debug, Deserialize)]
struct Elections {
    kubernetes: String,
    ours: Vec<f64>,
    changed: Vec<f64>,
    peer: Vec<f64>,
}

/// Measures, in so many rounds.
pub(crate) fn beside_kubernetes(rounds: usize) -> anyhow::Result<Vec<Figure>> {
    figures(&lab::measured("election", rounds)?)
}

/// Two: a new leader may answer before it may change the cluster.
fn figures(seen: &Elections) -> anyhow::Result<Vec<Figure>> {
    let answer = figure("leader killed on a cluster, to the next one's answer", &seen.ours, seen)?;
    let change = figure("leader killed on a cluster, to the next one's first change there", &seen.changed, seen)?;
    Ok(vec![answer, change])
}

fn figure(what: &str, ours: &[f64], seen: &Elections) -> anyhow::Result<Figure> {
    let spread = Spread::of(ours).context("nothing was measured")?;
    let peer = format!("kube-controller-manager {}, leader killed, to the next lease", seen.kubernetes);
    let figure = Figure::new(ID, what, Unit::Milliseconds, spread).against(peer, ours, &seen.peer);
    Ok(figure.target(Target::TimesLess(TIMES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_beaten_by_the_times_that_were_asked_for() {
        let (ours, changed, peer) = (vec![500.0; 3], vec![2_000.0; 3], vec![16_000.0; 3]);
        let figures = figures(&Elections { kubernetes: "1.33.13".to_owned(), ours, changed, peer }).unwrap();
        let reached: Vec<_> = figures.iter().map(|figure| figure.reached).collect();
        assert_eq!(reached, [Some(true), Some(false)]);
    }
}
