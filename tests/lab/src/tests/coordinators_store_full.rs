//! The coordinators' own etcd has no more room: nothing is begun, the reason is named, and the run that was under way goes on by itself when there is
//! room again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::Removal;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, Workload};
use crate::shape::Shape;
use crate::slipway::{Run, step_begun};

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_full",
    cost: 150,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const DROP_IN: &str = "/etc/systemd/system/slipway-etcd.service.d/10-small.conf";
/// Small enough to be filled in a moment, and more than the store has.
const ROOM: &str = "[Service]\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=8388608\n";
const ETCDCTL: &str = "env ETCDCTL_API=3 /opt/lab/etcd-later-*/etcdctl --endpoints=https://127.0.0.1:7410 \
    --cacert=/var/lib/slipway/coordinator/store/root.pem --cert=/var/lib/slipway/coordinator/store/chain.pem \
    --key=/var/lib/slipway/coordinator/store/key.pem";

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    lab.masters().into_iter().try_for_each(|host| {
        host.write_file(DROP_IN, "0644", ROOM)?;
        // One after the other: a majority stays.
        host.run_ok(&["sh", "-c", "systemctl daemon-reload && systemctl restart slipway-etcd"])?;
        coordinators.answered()
    })?;
    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, lab.host("w2")?)?;
    let run = lab.start_removal("w2")?;
    for line in run.watch()? {
        if step_begun(&line?) == Some("drain-w2") {
            break;
        }
    }
    let master = lab.master()?;
    fill(master)?;
    says_that_it_is_full(lab, &run)?;
    empty(master)?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    shop.close()
}

/// Writes until no more is taken.
fn fill(master: &Host) -> Result<()> {
    let script = format!(
        "head -c 900000 /dev/zero | tr '\\0' x > /tmp/much; i=0; \
         while [ $i -lt 40 ] && {ETCDCTL} put /filler/$i < /tmp/much >/dev/null 2>&1; do i=$((i+1)); done; \
         {ETCDCTL} alarm list"
    );
    let said = master.run_ok(&["sh", "-c", &script])?;
    ensure!(said.contains("NOSPACE"), "it is not full: {said}");
    Ok(())
}

fn says_that_it_is_full(lab: &Lab, run: &Run<'_>) -> Result<()> {
    let said = lab.slipway(&["node", "isolate", "w1", "--yes"])?;
    ensure!(!said.is_ok() && said.stderr.contains("SLIP-STORE-001"), "a full store took a run: {said}");
    let doctor = lab.slipway(&["doctor"])?;
    ensure!(doctor.stdout.contains("NOSPACE"), "the doctor does not name the alarm: {doctor}");
    let shown = run.show()?;
    ensure!(shown.state == "running", "the run is {}: {:?}", shown.state, shown.why);
    Ok(())
}

/// As etcd's documentation has it: old revisions go, the room is given back, and the alarm is taken off.
fn empty(master: &Host) -> Result<()> {
    let endpoints = "--cluster --command-timeout=30s";
    let script = format!(
        "{ETCDCTL} del --prefix /filler/ && \
         revision=$({ETCDCTL} get / --limit=1 -w json | sed 's/.*\"revision\":\\([0-9]*\\).*/\\1/') && \
         {ETCDCTL} compact $revision && {ETCDCTL} defrag {endpoints} && {ETCDCTL} alarm disarm"
    );
    eventually("the store to have room again", Duration::from_secs(60), || {
        master.run_ok(&["sh", "-c", &script]).context("emptying it").map(|_| ())
    })
}
