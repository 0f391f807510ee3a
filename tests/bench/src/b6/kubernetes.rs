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
    peer: Vec<f64>,
}

/// Measures, in so many rounds.
pub(crate) fn beside_kubernetes(rounds: usize) -> anyhow::Result<Figure> {
    figure(&lab::measured("election", rounds)?)
}

fn figure(seen: &Elections) -> anyhow::Result<Figure> {
    let spread = Spread::of(&seen.ours).context("nothing was measured")?;
    let figure = Figure::new(ID, "leader killed on a cluster, to the next one's answer", Unit::Milliseconds, spread);
    let peer = format!("kube-controller-manager {}, leader killed, to the next one's lease", seen.kubernetes);
    Ok(figure.against(peer, &seen.ours, &seen.peer).target(Target::TimesLess(TIMES)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_beaten_by_the_times_that_were_asked_for() {
        let seen = |ours| Elections { kubernetes: "1.33.13".to_owned(), ours: vec![ours; 3], peer: vec![16_000.0; 3] };
        assert_eq!(figure(&seen(500.0)).unwrap().reached, Some(true));
        assert_eq!(figure(&seen(2_000.0)).unwrap().reached, Some(false));
    }
}
