//! What joins and upgrades are tested with: hosts that are bare, a mirror with two releases of a minor that can be away or damaged, a kubeadm
//! whose witness outlives every change of its package, and that can hang, lie and fail.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::calls::Mood;
use crate::evidence::Joining;
use crate::host::Host;
use crate::lab::Lab;
use crate::mirror;
use crate::registry::{Set, TestCase};
use crate::release::Release;
use crate::scene::make_bare;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_bare_hosts_and_bad_days", cost: 30, set: Set::Full, shape: Shape::JOINABLE, run };

const KUBEADM: &str = "/usr/bin/kubeadm";
/// Words: the mirror's address for a minor.
const USE_MIRROR: &str = r#"
printf 'deb [trusted=yes] %s /\n' "$1" > /etc/apt/sources.list.d/kubernetes.list
rm -rf /var/lib/apt/lists/*
apt-get -qq update
"#;

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("b1")?;
    Joining::ahead(lab, host)?.left_nothing(true)?;
    ensure!(!host.has_path(KUBEADM)?, "a bare host has kubeadm");
    let address = mirror::template(lab.coordinator()?.plan()).replace("{minor}", "1.33");
    host.script("use-mirror", USE_MIRROR, &[&address])?;
    the_mirror_can_fail(lab, host)?;
    for release in [Release::V1_33, Release::V1_33Next] {
        install(host, release)?.ok()?;
        let version = host.run_ok(&["kubeadm", "version", "--output", "short"])?;
        ensure!(version.trim() == format!("v{}", release.version()), "kubeadm is {version}");
        let last = host.kubeadm_calls()?.pop();
        ensure!(last.is_some_and(|call| call.argv[0] == "version"), "the witness has not seen that");
    }
    has_bad_days(host)?;
    make_bare(host)?;
    ensure!(!host.has_path(KUBEADM)?, "kubeadm outlives its package");
    Joining::ahead(lab, host)?.left_nothing(true)
}

fn install(host: &Host, release: Release) -> Result<crate::command::Output> {
    let package = format!("kubeadm={}", release.package_version());
    host.run(&["apt-get", "-qq", "install", "--yes", &package])
}

fn the_mirror_can_fail(lab: &Lab, host: &Host) -> Result<()> {
    mirror::stop(lab)?;
    ensure!(!install(host, Release::V1_33)?.is_ok(), "a package came from a mirror that is away");
    mirror::start(lab)?;
    mirror::damage(lab, "kubeadm", Release::V1_33)?;
    let damaged = install(host, Release::V1_33)?;
    ensure!(!damaged.is_ok(), "a package was installed that is not what the index tells of");
    mirror::serve_what_is_built(lab)?;
    ensure!(mirror::key(lab)?.contains("END PGP"), "the mirror's key is cut off");
    Ok(())
}

fn has_bad_days(host: &Host) -> Result<()> {
    let call = |words: &[&str]| host.run_within(Duration::from_secs(4), &[&["kubeadm"], words].concat());
    for (mood, code, says) in [(Mood::Lie, 0, false), (Mood::FailBefore, 1, false), (Mood::FailAfter, 1, true)] {
        host.upset_kubeadm(mood, "config print")?;
        let output = call(&["config", "print", "join-defaults"])?;
        ensure!(output.code == Some(code), "{mood:?}: {output}");
        ensure!(output.stdout.contains("JoinConfiguration") == says, "{mood:?}: {}", output.stdout);
    }
    host.upset_kubeadm(Mood::Garble, "config print")?;
    let garbled = call(&["config", "print", "join-defaults"])?;
    ensure!(garbled.is_ok() && garbled.stdout.len() > 10_000, "it is not garbled: {garbled}");
    for mood in [Mood::HangBefore, Mood::HangAfter] {
        host.upset_kubeadm(mood, "config")?;
        ensure!(call(&["config", "print", "join-defaults"]).is_err(), "{mood:?}: it has ended");
    }
    ensure!(call(&["version"])?.is_ok(), "another verb is upset too");
    host.soothe_kubeadm()?;
    call(&["config", "print", "join-defaults"])?.ok()
}
