//! What only a real cluster can tell of speed: drains beside `kubectl drain`, and leaders beside those of Kubernetes. It measures and says what it
//! measured, as JSON; what that is worth is judged by the benchmarks.

mod audit;
mod budget;
mod drain;
mod election;
mod exits;
mod opening;
mod pair;
mod several;
mod site;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::build;
use crate::install::Binaries;
use crate::lab::Lab;
use crate::paths;
use crate::runner::{cluster_for, keep_evidence};
use crate::shape::Shape;
use crate::state::State;
use pair::Contest;
use site::Site;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// Drains, beside `kubectl drain`.
    Drain,
    /// Leaders that are killed, beside those of Kubernetes' controllers.
    Election,
}

/// Drains, with the cluster's own kubectl as the peer.
#[derive(Serialize)]
struct Drains {
    /// kubectl's version, and the cluster's.
    kubernetes: &'static str,
    exits: Contest,
    budget: Contest,
    /// Of a budget that opens, in place of a whole drain.
    opening: Contest,
    several: Contest,
}

const DRAINS: Shape = Shape { workers: 3, ..Shape::SMALL };
/// No lab of several coordinators goes back to one.
const ELECTIONS: Shape = Shape { workers: 1, fresh: true, ..Shape::WIDE };

/// Measures in so many rounds, on a lab that suits or is made for it. The lab stays up.
pub fn bench(what: Bench, rounds: usize, binaries: &Binaries) -> Result<String> {
    build::check_tools()?;
    let state = State::new(paths::state());
    let _lock = state.lock()?;
    let (shape, name) = match what {
        Bench::Drain => (DRAINS, "bench-drain"),
        Bench::Election => (ELECTIONS, "bench-election"),
    };
    let lab = cluster_for(shape, &state, binaries)?;
    let measured = match what {
        Bench::Drain => drains(&lab, rounds).map(|seen| serde_json::to_string(&seen)),
        Bench::Election => election::measure(&lab, rounds).map(|seen| serde_json::to_string(&seen)),
    };
    if measured.is_err() {
        keep_evidence(&lab, name);
    }
    Ok(measured??)
}

fn drains(lab: &Lab, rounds: usize) -> Result<Drains> {
    let mut site = Site::open(lab)?;
    let drains = Drains {
        kubernetes: lab.shape().release.version(),
        exits: exits::measure(&mut site, rounds)?,
        several: several::measure(&mut site, rounds)?,
        opening: opening::measure(&mut site, rounds)?,
        budget: budget::measure(&mut site, rounds)?,
    };
    site.close()?;
    Ok(drains)
}
