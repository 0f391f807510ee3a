//! What all tests of upgrades share: how one is asked for, and one that meets with trouble in the middle and has to end all the same.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{ReadinessWatch, UpgradeWatch, all_is_at};
use crate::lab::Lab;
use crate::release::Release;
use crate::scene::{REPLICAS, Web, bring_images};
use crate::slipway::Run;

/// Longer than five hosts take on a busy machine.
pub(crate) const LONGEST: Duration = Duration::from_mins(50);
/// Where all tests go that leave the minor.
pub(crate) const TO: Release = Release::V1_34;

impl Lab {
    /// Starts the upgrade to a release on the default path and leaves the run to itself.
    pub(crate) fn start_upgrade(&self, to: Release) -> Result<Run<'_>> {
        self.start(&["upgrade", "start", to.version(), "--yes"])
    }
}

/// An upgrade of an application's cluster, under trouble that `during` makes and that it has gone from when it returns.
pub(crate) fn upgrade_survives(lab: &Lab, to: Release, during: impl FnOnce(&Run<'_>) -> Result<()>) -> Result<()> {
    // What is upgraded serves no other test.
    lab.spend()?;
    bring_images(lab, to)?;
    let web = Web::start(lab)?;
    let (watch, away) = (UpgradeWatch::begin(lab, crate::scene::WEB_NAMESPACE, None)?, ReadinessWatch::begin(lab)?);
    let run = lab.start_upgrade(to)?;
    during(&run)?;
    run.reaches("completed", LONGEST)?;
    let (seen, away) = (watch.worst()?, away.most_away()?);
    ensure!(away <= 1, "{away} API servers were away at a time");
    ensure!(seen.masters_away <= 1 && seen.workers_away <= 1, "more nodes were away than one at a time: {seen:?}");
    ensure!(seen.healthy >= REPLICAS - 1, "the budget leaves {} of {REPLICAS}: {seen:?}", REPLICAS - 1);
    all_is_at(lab, to)?;
    web.stop()
}
