//! A drain that cannot go on says within two seconds which budget and which pods are in its way; when the budget opens, it is told so
//! and does not ask in turns.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::evidence::{PodWatch, Removal};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{SHOP, Workload, join_again};
use crate::shape::Shape;
use crate::slipway::{Run, step_begun};

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_blocked_drain", cost: 110, set: Set::Full, shape: Shape::SMALL, run };

const DRAIN: &str = "drain-w2";
const NAMED_WITHIN: Duration = Duration::from_secs(2);
/// From the moment the controller has written that one more may go, to the granted eviction.
const FOLLOWS_WITHIN_US: i64 = 1_000_000;

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let shop = Workload::open(lab)?;
    shop.allow(0)?;
    let watch = PodWatch::begin(lab, SHOP, "app=web", 6)?;
    let removal = Removal::ahead(lab, worker)?;
    let run = lab.start_removal("w2")?;
    let waited = named_after(&run)?;
    ensure!(waited <= NAMED_WITHIN, "the budget was named after {waited:?} only");
    let here = shop.pods_on("web", "w2")?;
    let says = run.step_says(DRAIN, &[&format!("{} blocked", here.len()), "PDB shop/web"], Duration::from_secs(5))?;
    ensure!(here.iter().any(|pod| says.contains(&format!("shop/{pod}"))), "none of {here:?} is named: {says}");

    shop.allow(1)?;
    run.reaches("completed", Duration::from_mins(3))?;
    follows_at_once(lab, &removal)?;
    removal.ended_well(&[])?;
    let lowest = watch.lowest()?;
    ensure!(lowest == 5, "the Deployment's budget leaves 5 of 6, and {lowest} there were");
    shop.close()?;
    join_again(lab, worker)
}

/// How long after the drain's turn had come the budget was named, as somebody who follows the run sees it.
fn named_after(run: &Run<'_>) -> Result<Duration> {
    let mut begun: Option<Instant> = None;
    for line in run.watch()? {
        let line = line?;
        if step_begun(&line) == Some(DRAIN) {
            begun.get_or_insert_with(Instant::now);
        }
        let says = line["says"].as_str().or_else(|| line["entry"]["says"].as_str()).unwrap_or_default();
        if says.contains("PDB shop/web") && says.contains("shop/web-") {
            // Who comes later than both sees them at once, which proves nothing against it.
            return Ok(begun.context("the drain spoke before its turn")?.elapsed());
        }
    }
    bail!("the run ended without naming the budget")
}

/// By the API server's clock: from the controller's word that one more may go to the eviction.
fn follows_at_once(lab: &Lab, removal: &Removal<'_>) -> Result<()> {
    let audit = removal.moment().audit(lab)?;
    let opened = audit
        .iter()
        .rfind(|entry| {
            entry.resource == "poddisruptionbudgets" && entry.verb == "patch" && entry.subresource.is_empty()
        })
        .context("the budget was opened")?;
    let counted = audit
        .iter()
        .find(|entry| {
            entry.resource == "poddisruptionbudgets" && entry.subresource == "status" && entry.time > opened.time
        })
        .context("the controller has counted")?;
    let eviction = audit
        .iter()
        .find(|entry| {
            entry.subresource == "eviction" && entry.name.starts_with("web-") && (200..300).contains(&entry.code)
        })
        .context("a pod of the shop was evicted")?;
    ensure!(eviction.time > opened.time, "a pod was evicted before the budget opened");
    let gap = microseconds(&eviction.time)? - microseconds(&counted.time)?;
    ensure!(gap <= FOLLOWS_WITHIN_US, "the eviction came {gap} us after the budget had opened");
    Ok(())
}

/// Of the day: `2026-01-02T03:04:05.678901Z`. A test that runs over midnight is a day late and fails.
fn microseconds(time: &str) -> Result<i64> {
    let (_, clock) = time.trim_end_matches('Z').split_once('T').context("a time")?;
    let parts: Vec<&str> = clock.split([':', '.']).collect();
    let [hours, minutes, seconds, fraction] = parts[..] else { bail!("{time} has no microseconds") };
    let number = |text: &str| text.parse::<i64>().with_context(|| format!("{time} is no time"));
    Ok(((number(hours)? * 60 + number(minutes)?) * 60 + number(seconds)?) * 1_000_000 + number(fraction)?)
}
