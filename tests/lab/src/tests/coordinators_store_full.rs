//! The coordinators' own etcd has no more room: nothing is begun, the reason is named, and the run that was under way goes on by itself when there is
//! room again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

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

/// Little enough to be filled in a moment, and more than the store has: 16 MiB. Then the member begins anew.
const LITTLE_ROOM: &str = "sed -i 's/^ETCD_QUOTA_BACKEND_BYTES=.*/ETCD_QUOTA_BACKEND_BYTES=16777216/' /etc/slipway/etcd.env && \
    systemctl restart slipway-etcd";
/// The program lies in the container of the cluster's etcd; it speaks to the store's, with the coordinator's certificate.
const ETCDCTL: &str = "S=/var/lib/slipway/coordinator/store; \
    ctl() { $(ls /run/containerd/io.containerd.runtime.v2.task/k8s.io/*/rootfs/usr/local/bin/etcdctl | head -n 1) \
    --endpoints=https://127.0.0.1:7410 --cacert=$S/root.pem --cert=$S/chain.pem --key=$S/key.pem \"$@\"; };";

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    lab.masters().into_iter().try_for_each(|host| {
        // One after the other: a majority stays.
        host.run_ok(&["sh", "-c", LITTLE_ROOM])?;
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
    delete(master)?;
    master.run_ok(&["slipway-coordinator", "--tidy-store"])?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    shop.close()
}

/// Writes until no more is taken.
fn fill(master: &Host) -> Result<()> {
    let script = format!(
        "{ETCDCTL} head -c 900000 /dev/zero | tr '\\0' x > /tmp/much; i=0; \
         while [ $i -lt 40 ]; do i=$((i+1)); ctl put /filler/$i < /tmp/much 2>&1 || exit 0; done; exit 1"
    );
    let said = master.run_ok(&["sh", "-c", &script]).context("it takes everything")?;
    let last = said.lines().last().unwrap_or_default();
    ensure!(said.contains("space exceeded"), "it was refused for another reason: {last}");
    Ok(())
}

/// What was written for this is deleted.
fn delete(master: &Host) -> Result<()> {
    master.run_ok(&["sh", "-c", &format!("{ETCDCTL} ctl del --prefix /filler/")]).map(|_| ())
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
