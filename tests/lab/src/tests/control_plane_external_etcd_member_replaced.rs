//! An etcd that systemd runs on three hosts: one member goes and another takes its place on another host; the API servers follow one after
//! the other, and where one would not come up with the new list it keeps the old.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::etcd_unit;
use crate::eventually::eventually;
use crate::evidence::{EtcdMember, ReadinessWatch, member_of, members_now, removals};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{ConfigMapWriter, make_leader};
use crate::shape::{Etcd, Shape};

pub(super) const TEST: TestCase = TestCase {
    name: "control_plane_external_etcd_member_replaced",
    cost: 260,
    set: Set::Full,
    shape: Shape { etcd: Etcd::External, ..Shape::WIDE },
    run,
};

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const POLICY: &str = crate::cluster::AUDIT_POLICY_FILE;

fn run(lab: &Lab) -> Result<()> {
    let (old, new) = (lab.host("m3")?, lab.host("w1")?);
    // As an operator prepares it: what the unit needs and no coordinator can make.
    etcd_unit::lay_certificates(lab.host("m1")?, new, lab.shape())?;
    make_leader(lab, old)?;
    let gone = member_of(lab, old.name())?;
    let writer = ConfigMapWriter::begin(lab)?;
    let watch = ReadinessWatch::begin(lab)?;

    let kept = one_api_server_cannot_start_again(lab.host("m2")?)?;
    let output = lab.replace_member("m3", "w1")?;
    ensure!(!output.is_ok(), "an API server that does not come back must stop the run: {output}");
    ensure!(lab.host("m2")?.read_file(MANIFEST)? == kept, "the API server on m2 was not given its old list again");
    mend(lab.host("m2")?)?;
    let run = lab.run_of(&output)?;
    run.resume()?;
    run.reaches("completed", Duration::from_mins(5))?;

    writer.lost_nothing()?;
    members_are(lab, &gone, new)?;
    api_servers_follow(lab, old, new)?;
    let away = watch.most_away()?;
    ensure!(away == 1, "the API servers were to restart one after the other, and {away} were away at once");
    // It has its third member elsewhere now.
    lab.spend()
}

/// What it reads only when it starts is spoiled: it serves, and any restart of it fails.
fn one_api_server_cannot_start_again(host: &Host) -> Result<String> {
    host.write_file(POLICY, "0600", "apiVersion: audit.k8s.io/v1\nkind: Nonsense\n")?;
    host.read_file(MANIFEST)
}

fn mend(host: &Host) -> Result<()> {
    crate::cluster::lay_audit_policy(host)?;
    let ready = format!("https://{}:6443/readyz", host.address());
    eventually("the API server on m2 to be back with its old list", Duration::from_mins(6), || {
        let said = host.run_ok(&["curl", "--silent", "--insecure", "--max-time", "2", &ready])?;
        ensure!(said.trim() == "ok", "it says {said}");
        Ok(())
    })
}

fn members_are(lab: &Lab, gone: &EtcdMember, new: &Host) -> Result<()> {
    let members = members_now(lab)?;
    ensure!(members.len() == 3, "etcd has {members:?}");
    ensure!(members.iter().all(|one| one.healthy && !one.learner && one.id != gone.id), "not whole: {members:?}");
    let url = format!("https://{}:2380", new.address());
    ensure!(members.iter().any(|one| one.peer_urls.contains(&url)), "none is on {}: {members:?}", new.name());
    for witness in ["m1", "m2"] {
        let times = removals(lab, lab.host(witness)?, &gone.id)?;
        ensure!(times == 1, "by the journal of {witness}, {} was removed {times} times", gone.id);
    }
    let active = lab.host(&gone.name)?.run(&["systemctl", "is-active", "etcd"])?.stdout;
    ensure!(active.trim() != "active", "the etcd that was removed still runs");
    Ok(())
}

fn api_servers_follow(lab: &Lab, old: &Host, new: &Host) -> Result<()> {
    for master in lab.masters() {
        let text = master.read_file(MANIFEST)?;
        let line = text.lines().find(|line| line.contains("--etcd-servers=")).context("it has a list")?;
        ensure!(!line.contains(&format!("{}:2379", old.address())), "{} still asks m3: {line}", master.name());
        ensure!(line.contains(&format!("{}:2379", new.address())), "{} does not ask w1: {line}", master.name());
        ensure!(master.has_path("/etc/kubernetes/slipway-kept")?, "{} has not kept the old manifest", master.name());
    }
    Ok(())
}
