//! A volume that is mounted where kubeadm reset deletes: no reset, no unmount by force, no lost file. The user is told, and goes on
//! when the volume is away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::evidence::Removal;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::join_again;
use crate::shape::Shape;
use crate::slipway::WITH_FLAGS;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_busy_mount_below_kubelet", cost: 70, set: Set::Full, shape: Shape::SMALL, run };

const PLACE: &str = "/var/lib/kubelet/user-volume";
const UNIT: &str = "lab-volume-user";

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let files = mount_and_use(worker)?;
    let removal = Removal::ahead(lab, worker)?;

    let output = lab.slipway(&[&["node", "remove", "w2", "-o", "json"][..], &WITH_FLAGS].concat())?;
    ensure!(output.code == Some(5), "a run that waits for a person ends with 5, but: {output}");
    let run = lab.run_of(&output)?;
    let shown = run.reaches("paused", Duration::from_secs(5))?;
    let why = shown.why.context("a paused run says why")?;
    ensure!(why.contains("SLIP-HOST-001") && why.contains(PLACE), "the mount is not named: {why}");
    removal.has_not_reset()?;
    ensure!(content(worker)? == files, "files of the user were lost");
    worker.run_ok(&["systemctl", "is-active", UNIT]).context("who used the volume was ended")?;

    worker.run_ok(&["systemctl", "stop", UNIT])?;
    worker.run_ok(&["umount", PLACE])?;
    worker.run_ok(&["rmdir", PLACE])?;
    run.resume()?;
    run.reaches("completed", Duration::from_mins(2))?;
    removal.ended_well(&[])?;
    join_again(lab, worker)
}

fn mount_and_use(worker: &Host) -> Result<String> {
    worker.run_ok(&["mkdir", "-p", PLACE])?;
    worker.run_ok(&["mount", "-t", "tmpfs", "-o", "size=1m", "users-volume", PLACE])?;
    worker.write_file(&format!("{PLACE}/orders/today"), "0640", "three boxes\n")?;
    worker.write_file(&format!("{PLACE}/ledger"), "0600", "42\n")?;
    let (unit, folder) = (format!("--unit={UNIT}"), format!("--working-directory={PLACE}"));
    worker.run_ok(&["systemd-run", "--quiet", &unit, &folder, "sleep", "infinity"])?;
    content(worker)
}

fn content(worker: &Host) -> Result<String> {
    let files = worker.run_ok(&["sh", "-ec", "find \"$1\" -type f -exec sha256sum {} + | sort", "content", PLACE])?;
    ensure!(files.lines().count() == 2, "there are other files than were laid down: {files}");
    Ok(files)
}
