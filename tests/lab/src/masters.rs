//! The removal of a master at its worst, which several tests share: it leads etcd, holds the address for all and serves the coordinator,
//! while a client writes ten times a second. Afterwards the host becomes a master again, by hand, as on any day after.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::evidence::MasterRemoval;
use crate::host::Host;
use crate::lab::Lab;
use crate::scene::{ConfigMapWriter, join_master_again, make_hardest};

/// Longer than any client waits; an outage of this length would be one.
const OUTAGE: Duration = Duration::from_secs(20);

/// Removes this master while everything hangs on it, and checks all that must hold.
pub(crate) fn leaves_when_it_is_hardest(lab: &Lab, name: &str) -> Result<()> {
    let host = lab.host(name)?;
    make_hardest(lab, host)?;
    let removal = MasterRemoval::ahead(lab, host)?;
    asks_before_tolerance_is_lost(lab, &removal, name)?;
    let writer = ConfigMapWriter::begin(lab)?;
    let output = lab.remove_master(name, &[])?;
    ensure!(output.is_ok(), "node remove: {output}");
    let written = writer.lost_nothing()?;
    ensure!(written.longest_gap < OUTAGE, "nobody could write for {:?}", written.longest_gap);
    removal.ended_well()?;
    status_tells_of_the_rest(lab, name)?;
    stays_out(host)?;
    join_master_again(lab, host)
}

/// Three to two healthy members is no small thing: without the word for it nothing happens.
fn asks_before_tolerance_is_lost(lab: &Lab, removal: &MasterRemoval<'_>, name: &str) -> Result<()> {
    let output = lab.slipway(&["node", "remove", name, "--yes", "--force", "--delete-emptydir-data"])?;
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(output.code == Some(2), "it did not ask for the word: {output}");
    ensure!(said.contains("--accept-less-tolerance"), "the flag is not named: {said}");
    removal.nothing_happened()
}

fn status_tells_of_the_rest(lab: &Lab, gone: &str) -> Result<()> {
    let status = lab.etcd_status()?;
    let left = lab.shape().masters.saturating_sub(1);
    let healthy = status.healthy();
    ensure!(healthy.len() == usize::from(left) && !healthy.contains(&gone), "etcd status tells of {healthy:?}");
    ensure!(status.members.len() == healthy.len(), "not all are healthy: {:?}", status.members);
    ensure!(status.members.iter().filter(|member| member.leader).count() == 1, "not one leads: {:?}", status.members);
    ensure!(status.quorum && status.alarms.is_empty(), "no quorum, or alarms: {status:?}");
    ensure!(
        status.survives == Some(u32::from(left.saturating_sub(1) / 2)),
        "{left} members survive {:?}",
        status.survives
    );
    Ok(())
}

/// The address must not come back to it, nor the kubelet.
fn stays_out(host: &Host) -> Result<()> {
    for unit in ["keepalived", "kubelet"] {
        let active = host.run(&["systemctl", "is-active", unit])?.stdout;
        ensure!(active.trim() == "inactive", "{unit} on {} is {}", host.name(), active.trim());
    }
    let masked = host.run(&["systemctl", "is-enabled", "kubelet"])?.stdout;
    ensure!(masked.trim() == "masked", "the kubelet on {} is {}", host.name(), masked.trim());
    host.run_ok(&["systemctl", "is-active", "slipway-agent"]).context("its agent stays").map(|_| ())
}
