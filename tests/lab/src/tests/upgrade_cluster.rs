//! The whole of it: a cluster of three masters and two workers, and a third that somebody has cordoned, goes from 1.33 to 1.34 by the default
//! path, while an application is used and the API is written to all the time. Nobody who uses either loses anything by it.

use anyhow::{Result, ensure};

use crate::evidence::{ReadinessWatch, UpgradeWatch, all_is_at};
use crate::install::set_budget;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{ConfigMapWriter, OfUsers, REPLICAS, WEB_NAMESPACE, Web, bring_images};
use crate::shape::Shape;
use crate::upgrades::{LONGEST, TO};

pub(super) const TEST: TestCase = TestCase {
    name: "upgrade_cluster",
    cost: 1300,
    set: Set::Full,
    shape: Shape { fresh: true, workers: 3, ..Shape::WIDE },
    run,
};

/// By somebody else, before it all.
const CORDONED: &str = "w3";

fn run(lab: &Lab) -> Result<()> {
    lab.spend()?;
    bring_images(lab, TO)?;
    // Beside the one that somebody has cordoned, which the budget counts, one worker may go at a time.
    set_budget(lab, 2)?;
    let of_users = OfUsers::lay(lab, "w2", Some(CORDONED))?;
    let web = Web::start(lab)?;
    let away = ReadinessWatch::begin(lab)?;
    let watch = UpgradeWatch::begin(lab, WEB_NAMESPACE, Some(CORDONED))?;
    let (requests, writer) = (web.requests()?, ConfigMapWriter::begin(lab)?);

    let run = lab.start_upgrade(TO)?;
    let ended = run.reaches("completed", LONGEST);
    let (requested, written) = (requests.none_failed(), writer.lost_nothing());
    ended?;
    written?;
    requested?;

    let (seen, away) = (watch.worst()?, away.most_away()?);
    ensure!(away <= 1, "{away} API servers were away at a time");
    ensure!(seen.masters_away <= 1 && seen.workers_away <= 1, "more nodes were away than one at a time: {seen:?}");
    ensure!(seen.healthy >= REPLICAS - 1, "the budget leaves {} of {REPLICAS}: {seen:?}", REPLICAS - 1);
    all_is_at(lab, TO)?;
    of_users.are_kept()?;
    of_users.take_away()?;
    web.stop()
}
