//! B6: how long nobody leads when the leader fails, against etcd's own election in the same minutes. What counts is that an agent takes a step
//! from the new leader, in the middle of a run that goes on; and agents count what they take from an old one after that: it must be nothing.
//! Beside Kubernetes' own election it stands on a real cluster, by a line of its own.

mod candidate;
mod jitter;
mod kubernetes;
mod members;
mod obeyed;
mod trio;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use slipway_agent::core::Setup;
use slipway_store::{Etcd, Store};
use slipway_types::SystemClock;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub(crate) use candidate::{gone, stand};
pub(crate) use kubernetes::beside_kubernetes;

use crate::agents::Agents;
use crate::figure::{Figure, Unit};
use crate::peer::ETCD;
use crate::statistics::Spread;
use crate::{authority, coordinator, floor};
use members::Members;
use obeyed::Log;
use trio::{End, Failover, Trio};

/// The benchmark.
pub(crate) const ID: &str = "B6";
const HOSTS: usize = 3;

/// Measures, in so many rounds; then, for so many seconds, whether a network that is not steady costs a leader its place.
pub(crate) fn run(reactor: &Runtime, rounds: usize, seconds: u64, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let (program, folder, log) = (ETCD.find()?, TempDir::new_in(scratch)?, Arc::new(Log::default()));
    let authority = authority::create()?;
    authority.save(folder.path())?;
    let made = |setup: Setup| obeyed::noting(&log, setup);
    let agents = reactor.block_on(Agents::serve(&authority, 0..HOSTS, "127.0.0.1", &made))?;
    let store = reactor.block_on(Members::start(&program, scratch))?;
    let mut peer = reactor.block_on(Members::start(&program, scratch))?;
    reactor.block_on(enrol(&store.urls(), &agents))?;
    let mut trio = Trio::start(reactor, log.clone(), store.urls(), folder.path().to_owned())?;
    let (mut elections, mut failovers) = (Vec::new(), [const { Vec::new() }; End::ALL.len()]);
    // The first round warms up: what it took does not count, whom agents obeyed does.
    for round in 0..=rounds {
        let election = reactor.block_on(peer.lose_the_leader())?;
        for (end, seen) in End::ALL.into_iter().zip(&mut failovers) {
            let failover = trio.lose_the_leader(end)?;
            eprintln!("  round {round}: {end:?} {:.0} ms, etcd {election:.0} ms", failover.ms);
            seen.push(failover);
        }
        elections.push(election);
    }
    let mut figures = figures(&elections, &failovers, floor(scratch)?)?;
    drop(trio);
    let ways = reactor.block_on(jitter::before(&store.urls()))?;
    let _trio = Trio::start(reactor, log.clone(), ways, folder.path().to_owned())?;
    let begun = Instant::now();
    let slowest = reactor.block_on(store.slowest_write(Duration::from_secs(seconds)))?;
    figures.extend(steady(&log, begun, slowest)?);
    Ok(figures)
}

/// Whether the one that led went on to; beside it what the store itself kept somebody waiting whose network is steady, since a store that stands still
/// for as long as a leader waits ends any leadership.
fn steady(log: &Log, begun: Instant, slowest_ms: f64) -> anyhow::Result<[Figure; 2]> {
    let (changes, commands) = log.changes(begun);
    anyhow::ensure!(commands > 0, "nobody was obeyed within {} s", begun.elapsed().as_secs());
    for change in &changes {
        eprintln!("  after {:.1} s: {}, and then {}", change.after.as_secs_f64(), change.from, change.to);
    }
    let (longest, time) = (jitter::LONGEST.as_millis(), begun.elapsed().as_secs());
    let what = format!("leaders lost to up to {longest} ms of delay each way, in {time} s");
    let lost = Figure::new(ID, what, Unit::Count, Spread::once(changes.len() as f64)).never_above(0.0);
    let what = "the store's slowest write meanwhile, without the delay";
    Ok([lost, Figure::new(ID, what, Unit::Milliseconds, Spread::once(slowest_ms))])
}

async fn enrol(store: &[String], agents: &Agents) -> anyhow::Result<()> {
    let store = Etcd::open(store, None, &coordinator::lineage(), Arc::new(SystemClock)).await?;
    coordinator::enrol(store.as_ref(), &agents.hosts).await?;
    Ok(store.resign(&store.high_water().await?.fence()).await?)
}

/// Milliseconds for the least that has to be: the end is told, it is written, and the first step is written and told.
fn floor(scratch: &Path) -> anyhow::Result<f64> {
    let folder = TempDir::new_in(scratch)?;
    Ok((floor::round_trip()? * 2.0 + floor::durable_write(folder.path())? * 2.0) * 1e3)
}

fn figures(elections: &[f64], failovers: &[Vec<Failover>; End::ALL.len()], floor: f64) -> anyhow::Result<Vec<Figure>> {
    let elections = elections.get(1..).unwrap_or_default();
    let mut figures = Vec::new();
    for (end, seen) in End::ALL.into_iter().zip(failovers) {
        let ours: Vec<f64> = seen.iter().skip(1).map(|failover| failover.ms).collect();
        let spread = Spread::of(&ours).context("nothing was measured")?;
        let (what, most) = told(end);
        let figure = Figure::new(ID, what, Unit::Milliseconds, spread).floor(floor).never_above(most);
        figures.push(figure.against(format!("{}, leader killed", ETCD.title()), &ours, elections));
    }
    let stale: usize = failovers.iter().flatten().map(|failover| failover.stale).sum();
    let stale = Figure::new(ID, "commands of old leaders obeyed", Unit::Count, Spread::once(stale as f64));
    figures.push(stale.never_above(0.0));
    Ok(figures)
}

/// What a figure is called, and the most that it may be.
const fn told(end: End) -> (&'static str, f64) {
    match end {
        End::Told => ("leader told to stop, to the next one's first step", 50.0),
        End::KilledUnderItsUnit => ("leader killed, its unit says so", 300.0),
        End::Killed => ("leader killed, nobody says so", 2_500.0),
        End::Stopped => ("leader stands still", 2_500.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failovers(ms: [f64; 4], stale: usize) -> [Vec<Failover>; 4] {
        ms.map(|ms| vec![Failover { ms: 1e6, stale }, Failover { ms, stale: 0 }, Failover { ms: ms * 2.0, stale: 0 }])
    }

    #[test]
    fn the_worst_is_judged_and_the_first_round_only_warms_up() {
        let figures = figures(&[1e6, 1_200.0, 1_200.0], &failovers([30.0, 100.0, 1_000.0, 1_000.0], 0), 0.3).unwrap();
        let reached: Vec<_> = figures.iter().map(|figure| figure.reached == Some(true)).collect();
        assert_eq!(reached, [false, true, true, true, true]);
        assert_eq!(figures[1].ratio.map(|ratio| ratio.max), Some(12.0));
    }

    #[test]
    fn an_old_leader_that_was_obeyed_counts_in_any_round() {
        let figures = figures(&[1.0, 1.0, 1.0], &failovers([1.0; 4], 1), 0.1).unwrap();
        let stale = figures.last().unwrap();
        assert_eq!((stale.ours, stale.reached), (Spread::once(4.0), Some(false)));
    }
}
