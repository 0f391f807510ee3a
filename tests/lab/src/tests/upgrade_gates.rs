//! What must keep an upgrade from beginning: each is told of with a code, its reason and the way out, and no node is touched. What is asked
//! for is the plan as well as the start: the plan shows it, the start refuses.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{members_now, nothing_was_upgraded};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::{OfUsers, Web, bring_images, later_etcd_image, take_image};
use crate::shape::Shape;
use crate::slipway::refused;
use crate::upgrades::TO;

pub(super) const TEST: TestCase =
    TestCase { name: "upgrade_gates", cost: 150, set: Set::Full, shape: Shape::WIDE, run };

const MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
const ASIDE: &str = "/root/etcd.yaml";
const KUBELET: &str = "/var/lib/kubelet/config.yaml";
const KUBELET_ASIDE: &str = "/root/kubelet-config.yaml";

/// One gate, in words and as it is tried.
type Case = (&'static str, fn(&Lab) -> Result<()>);

fn run(lab: &Lab) -> Result<()> {
    let mut failed = Vec::new();
    let cases: [Case; 5] = [
        ("a minor is skipped", minor_skipped),
        ("cgroup v1", old_cgroups),
        ("a kubelet is too old", kubelet_too_old),
        ("a member is not well", member_not_well),
        ("a budget that can never be met", budget_never_met),
    ];
    for (what, case) in cases {
        if let Err(error) = case(lab) {
            println!("       {what}: {error:#}");
            failed.push(what);
        }
    }
    ensure!(failed.is_empty(), "not as they should be: {}", failed.join(", "));
    image_missing(lab)?;
    nothing_was_upgraded(lab)
}

/// The plan shows it, the start refuses for it.
fn blocks(lab: &Lab, target: &str, words: &[&str]) -> Result<()> {
    let image = later_etcd_image();
    let plan = lab.slipway(&["upgrade", "plan", target, "--etcd-image", &image])?;
    let started = lab.slipway(&["upgrade", "start", target, "--yes", "--etcd-image", &image])?;
    ensure!(started.code == Some(2), "it was not refused: {started}");
    for (what, output) in [("plan", &plan), ("start", &started)] {
        let said = format!("{}{}", output.stdout, output.stderr);
        ensure!(said.contains("SLIP-"), "{what}: there is no code: {output}");
        let missed: Vec<_> = words.iter().filter(|word| !said.contains(*word)).collect();
        ensure!(missed.is_empty(), "{what}: {missed:?} is not named: {said}");
    }
    println!("       {}", started.stderr.trim());
    Ok(())
}

fn minor_skipped(lab: &Lab) -> Result<()> {
    blocks(lab, Release::V1_35.version(), &["1.34"])
}

/// As a host is that nobody has told to bear with cgroup v1, which the lab's are.
fn old_cgroups(lab: &Lab) -> Result<()> {
    let host = lab.host("w2")?;
    host.run_ok(&["cp", "--preserve", KUBELET, KUBELET_ASIDE])?;
    host.run_ok(&["sed", "-i", "/failCgroupV1/d", KUBELET])?;
    let result = blocks(lab, Release::V1_35.version(), &["w2", "cgroup"]);
    host.run_ok(&["mv", KUBELET_ASIDE, KUBELET])?;
    result
}

/// As a node looks that was forgotten for years; its kubelet is stopped meanwhile, or it would set that right.
fn kubelet_too_old(lab: &Lab) -> Result<()> {
    let host = lab.host("w2")?;
    host.run_ok(&["systemctl", "stop", "kubelet"])?;
    let patch = r#"{"status":{"nodeInfo":{"kubeletVersion":"v1.29.3"}}}"#;
    let patched = lab.kubectl(&["patch", "node", "w2", "--subresource=status", "--type=merge", "-p", patch]);
    let result = patched.and_then(|_| blocks(lab, TO.version(), &["w2", "1.29.3"]));
    host.run_ok(&["systemctl", "start", "kubelet"])?;
    eventually("w2 to be itself again", Duration::from_mins(2), || {
        let version = lab.kubectl(&["get", "node", "w2", "-o", "jsonpath={.status.nodeInfo.kubeletVersion}"])?;
        ensure!(version == format!("v{}", lab.shape().release.version()), "it is at {version}");
        lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=5s", "node/w2"])
    })?;
    result
}

fn member_not_well(lab: &Lab) -> Result<()> {
    let host = lab.host("m3")?;
    host.run_ok(&["mv", MANIFEST, ASIDE])?;
    let away = eventually("the member of m3 to be away", Duration::from_mins(2), || {
        let all = members_now(lab)?;
        ensure!(all.iter().any(|one| one.name == "m3" && !one.healthy), "it answers");
        Ok(())
    });
    let result = away.and_then(|()| blocks(lab, TO.version(), &["m3"]));
    host.run_ok(&["mv", ASIDE, MANIFEST])?;
    eventually("all members to be well again", Duration::from_mins(3), || {
        let all = members_now(lab)?;
        ensure!(all.iter().all(|one| one.healthy), "{all:?}");
        Ok(())
    })?;
    result
}

fn budget_never_met(lab: &Lab) -> Result<()> {
    let web = Web::start(lab)?;
    let patch = r#"{"spec":{"maxUnavailable":0}}"#;
    lab.kubectl(&["-n", "web", "patch", "pdb", "web", "--type=merge", "-p", patch])?;
    let result = blocks(lab, TO.version(), &["web/web"]);
    web.stop()?;
    result
}

/// Found while everything is fetched, before any node is disturbed.
fn image_missing(lab: &Lab) -> Result<()> {
    bring_images(lab, TO)?;
    let of_users = OfUsers::lay(lab, "w2", None)?;
    let image = take_image(lab.host("w1")?, "kube-proxy", TO)?;
    let run = lab.start_upgrade(TO)?;
    let shown = eventually("the run to stand still or be undone", Duration::from_mins(10), || {
        let shown = run.show()?;
        ensure!(["paused", "unwound", "needs-operator"].contains(&shown.state.as_str()), "it is {}", shown.state);
        Ok(shown)
    })?;
    let why = shown.why.unwrap_or_default();
    ensure!(why.contains("SLIP-") && why.contains("w1"), "{image} is missing on w1, and it says {why}");
    if shown.state != "unwound" {
        refused(&lab.slipway(&["upgrade", "start", TO.version(), "--yes"])?, 2, "SLIP-")?;
        lab.slipway(&["run", "abort", &run.id])?.ok()?;
        run.reaches("unwound", Duration::from_mins(5))?;
    }
    of_users.are_kept()?;
    of_users.take_away()
}
