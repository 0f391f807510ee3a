//! One row per rule: a healthy cluster, the one change that makes the rule fire, and the finding. Without the change the rule is silent.

use slipway_cluster::etcd::Alarm;
use slipway_cluster::{BudgetRef, Impasse, ImpasseKind};

use super::*;
use crate::versions::facts::{CertificateEnd, FlagSource, KubeletFlag};

/// The one change that a row makes to a healthy cluster.
type Change = fn(&mut Facts);

/// From, to, etcd, change, and the line that has to appear with it and not without it.
type Row = (&'static str, &'static str, &'static str, Change, &'static str);

fn host_of(facts: &mut Facts, n: usize) -> &mut HostFacts {
    facts.nodes[n].host.as_mut().unwrap()
}

fn flag(facts: &mut Facts, name: &str, from: FlagSource) {
    host_of(facts, 3).kubelet_flags.push(KubeletFlag { name: name.into(), from });
}

fn certificate(facts: &mut Facts, name: &str, authority: bool, days: i64) {
    host_of(facts, 0).certificates.push(CertificateEnd { name: name.into(), authority, days });
}

fn by_vip(facts: &mut Facts) {
    host_of(facts, 1).kubelet_server = "https://10.0.0.100:6443".into();
}

fn impasse(facts: &mut Facts) {
    facts.impasses.push(Impasse {
        kind: ImpasseKind::LetsNoneGo,
        budgets: vec![BudgetRef { namespace: "shop".into(), name: "web".into() }],
        pods: Vec::new(),
        sentence: "PodDisruptionBudget shop/web lets none go".into(),
        way_out: "scale up".into(),
    });
}

const OF_VERSIONS: &[Row] = &[
    ("1.33.13", "1.34.4", "3.5.26", |f| f.target = version("1.35.0"), "block SLIP-UPGRADE-002 skew.step"),
    ("1.34.4", "1.34.4", "3.6.5", |f| f.target = version("1.34.1"), "block SLIP-UPGRADE-002 skew.downgrade m1"),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.nodes[4].kubelet = version("1.34.5"),
        "block SLIP-UPGRADE-002 skew.downgrade w2",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.nodes[4].kubelet = version("1.34.0"),
        "block SLIP-UPGRADE-002 skew.kubelet-newer w2",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.nodes[4].kubelet = version("1.30.9"),
        "block SLIP-UPGRADE-002 skew.kubelet-too-old w2",
    ),
    (
        "1.26.0",
        "1.27.0",
        "3.5.26",
        |f| f.nodes[4].kubelet = version("1.24.9"),
        "block SLIP-UPGRADE-002 skew.kubelet-too-old w2",
    ),
    (
        "1.34.4",
        "1.34.4",
        "3.6.5",
        |f| f.nodes[1].api_server = Some(version("1.32.1")),
        "block SLIP-UPGRADE-002 skew.api-servers-apart",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.nodes[1].api_server = None,
        "block SLIP-UPGRADE-002 skew.api-server-unknown m2",
    ),
    ("1.37.2", "1.37.2", "3.7.0", |f| f.target = version("1.38.0"), "warn SLIP-UPGRADE-002 skew.target-unknown"),
];

const OF_ETCD: &[Row] = &[
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.etcd.members[1] = member(2, "3.5.25"),
        "note SLIP-UPGRADE-003 rules.etcd-floor-1-34",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.32",
        |f| f.etcd.members[1] = member(2, "3.5.31"),
        "note SLIP-UPGRADE-003 rules.etcd-advised-1-34",
    ),
    (
        "1.36.3",
        "1.37.2",
        "3.6.11",
        |f| f.etcd.members[1] = member(2, "3.6.10"),
        "note SLIP-UPGRADE-003 rules.etcd-floor-1-37",
    ),
    ("1.33.13", "1.34.4", "3.5.26", |f| f.etcd.members[1] = member(2, "3.4.30"), "block SLIP-UPGRADE-003 etcd.step"),
    ("1.33.13", "1.34.4", "3.5.26", |f| f.etcd.members[1] = member(2, "3.6.9"), "note SLIP-UPGRADE-003 etcd.stays"),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.etcd.members[1].healthy = false,
        "block SLIP-UPGRADE-003 rules.etcd-member-unhealthy",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.etcd.members[1].learner = true,
        "block SLIP-UPGRADE-003 rules.etcd-member-learner",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.etcd.members[1].alarms = vec![Alarm::NoSpace],
        "block SLIP-UPGRADE-003 rules.etcd-alarm",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.etcd.members[1].alarms = vec![Alarm::Corrupt],
        "block SLIP-UPGRADE-003 rules.etcd-alarm",
    ),
    ("1.33.13", "1.34.4", "3.5.26", |f| f.etcd.external = true, "note SLIP-UPGRADE-003 rules.etcd-external"),
    ("1.33.13", "1.33.13", "3.5.23", |f| f.etcd.external = true, "warn SLIP-UPGRADE-003 rules.etcd-external-old"),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.kubeadm.etcd_image_tag = Some("3.5.26-0".into()),
        "warn SLIP-UPGRADE-003 rules.etcd-pinned",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| f.kubeadm.etcd_image_tag = Some("stable".into()),
        "block SLIP-UPGRADE-003 etcd.pinned",
    ),
    (
        "1.35.4",
        "1.36.3",
        "3.5.26",
        |f| f.kubeadm.etcd_image_tag = Some("3.5.26-0".into()),
        "block SLIP-UPGRADE-003 rules.etcd-pinned-too-old",
    ),
];

const OF_HOSTS: &[Row] = &[
    ("1.34.4", "1.35.4", "3.6.6", |f| host_of(f, 3).cgroup = Cgroup::V1, "block SLIP-UPGRADE-004 rules.cgroup-v1 w1"),
    (
        "1.34.4",
        "1.35.4",
        "3.6.6",
        |f| (host_of(f, 3).cgroup, host_of(f, 3).fail_cgroup_v1) = (Cgroup::V1, Some(false)),
        "warn SLIP-UPGRADE-004 rules.cgroup-v1-allowed w1",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| host_of(f, 3).cgroup = Cgroup::V1,
        "note SLIP-UPGRADE-004 rules.cgroup-v1-ends w1",
    ),
    (
        "1.37.2",
        "1.38.0",
        "3.7.0",
        |f| f.nodes[3].runtime = "containerd://1.7.24~ds1".into(),
        "block SLIP-UPGRADE-004 rules.containerd-1 w1",
    ),
    (
        "1.35.4",
        "1.36.3",
        "3.6.8",
        |f| f.nodes[3].runtime = "containerd://1.7.24".into(),
        "warn SLIP-UPGRADE-004 rules.containerd-1-ends w1",
    ),
    (
        "1.37.2",
        "1.38.0",
        "3.7.0",
        |f| f.nodes[3].runtime = "cri-o://1.27.9".into(),
        "block SLIP-UPGRADE-004 rules.crio-old w1",
    ),
    ("1.33.13", "1.34.4", "3.5.26", |f| host_of(f, 3).swap = true, "block SLIP-UPGRADE-004 rules.swap w1"),
    (
        "1.30.0",
        "1.31.0",
        "3.5.26",
        |f| flag(f, "iptables-drop-bit", FlagSource::Site),
        "block SLIP-UPGRADE-004 rules.kubelet-flags-1-31 w1",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| flag(f, "cloud-config", FlagSource::Site),
        "block SLIP-UPGRADE-004 rules.kubelet-flags-1-34 w1",
    ),
    (
        "1.34.4",
        "1.35.4",
        "3.6.6",
        |f| flag(f, "pod-infra-container-image", FlagSource::Site),
        "block SLIP-UPGRADE-004 rules.kubelet-flags-1-35 w1",
    ),
    (
        "1.34.4",
        "1.35.4",
        "3.6.6",
        |f| flag(f, "pod-infra-container-image", FlagSource::Kubeadm),
        "note SLIP-UPGRADE-004 rules.kubelet-flags-1-35-of-kubeadm w1",
    ),
    (
        "1.35.4",
        "1.36.3",
        "3.6.8",
        |f| flag(f, "pod-infra-container-image", FlagSource::Kubeadm),
        "block SLIP-UPGRADE-004 rules.kubelet-flags-1-36-of-kubeadm w1",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| certificate(f, "apiserver", false, 12),
        "note SLIP-UPGRADE-005 rules.certificate-ends m1",
    ),
    (
        "1.33.13",
        "1.34.4",
        "3.5.26",
        |f| certificate(f, "ca", true, 90),
        "warn SLIP-UPGRADE-005 rules.authority-ends m1",
    ),
];

const OF_THE_CLUSTER: &[Row] = &[
    ("1.33.13", "1.34.4", "3.5.26", |f| f.nodes[1].ready = false, "block SLIP-UPGRADE-005 rules.master-not-ready m2"),
    ("1.33.13", "1.34.4", "3.5.26", |f| f.nodes[4].ready = false, "warn SLIP-UPGRADE-005 rules.worker-not-ready w2"),
    ("1.33.13", "1.34.4", "3.5.26", impasse, "block SLIP-DRAIN-005 rules.budget-impasse"),
    ("1.33.13", "1.34.4", "3.5.26", |f| drop(f.nodes.drain(1..3)), "note SLIP-UPGRADE-005 rules.single-master"),
    ("1.30.0", "1.31.0", "3.5.26", by_vip, "block SLIP-UPGRADE-005 rules.kubelet-by-vip-1-31 m2"),
    ("1.33.13", "1.34.4", "3.5.26", by_vip, "note SLIP-UPGRADE-005 rules.kubelet-by-vip m2"),
    (
        "1.30.0",
        "1.31.0",
        "3.5.26",
        |f| f.kubeadm.gates.push("UpgradeAddonsBeforeControlPlane".into()),
        "warn SLIP-UPGRADE-005 rules.kubeadm-gates-1-31",
    ),
    (
        "1.32.0",
        "1.33.13",
        "3.5.26",
        |f| f.kubeadm.gates.push("EtcdLearnerMode".into()),
        "warn SLIP-UPGRADE-005 rules.kubeadm-gates-1-33",
    ),
    (
        "1.34.4",
        "1.35.4",
        "3.6.6",
        |f| f.kubeadm.gates.push("WaitForAllControlPlaneComponents".into()),
        "warn SLIP-UPGRADE-005 rules.kubeadm-gates-1-35",
    ),
    (
        "1.35.4",
        "1.36.3",
        "3.6.8",
        |f| f.kubeadm.gates.push("ControlPlaneKubeletLocalMode".into()),
        "warn SLIP-UPGRADE-005 rules.kubeadm-gates-1-36",
    ),
    (
        "1.36.3",
        "1.37.2",
        "3.6.11",
        |f| f.kubeadm.gates.push("NodeLocalCRISocket".into()),
        "warn SLIP-UPGRADE-005 rules.kubeadm-gates-1-37",
    ),
    (
        "1.35.4",
        "1.36.3",
        "3.6.8",
        |f| f.kubeadm.controller_manager_flags.push("flex-volume-plugin-dir".into()),
        "warn SLIP-UPGRADE-005 rules.flex-volumes",
    ),
    (
        "1.34.1",
        "1.34.4",
        "3.6.5",
        |f| f.nodes[0].api_server = Some(version("1.33.13")),
        "note SLIP-UPGRADE-005 rules.static-pods-1-34",
    ),
    (
        "1.37.0",
        "1.37.2",
        "3.7.0",
        |f| f.nodes[0].api_server = Some(version("1.36.3")),
        "note SLIP-UPGRADE-005 rules.selinux-mount-1-37",
    ),
];

/// The findings that the row's change brings, of those that were not there without it.
fn brings(row: &Row) -> Vec<String> {
    let (from, to, etcd, change, _) = row;
    let mut facts = cluster(from, to, etcd);
    let before = lines(&facts);
    change(&mut facts);
    lines(&facts).into_iter().filter(|line| !before.contains(line)).collect()
}

#[test]
fn each_rule_fires_with_the_change_that_it_is_about_and_not_without() {
    for row in [OF_VERSIONS, OF_ETCD, OF_HOSTS, OF_THE_CLUSTER].concat() {
        let found = brings(&row);
        assert!(found.iter().any(|line| line == row.4), "{} -> {}: {found:?} instead of {}", row.0, row.1, row.4);
    }
}

#[test]
fn every_rule_of_the_table_has_a_row() {
    let rows = [OF_VERSIONS, OF_ETCD, OF_HOSTS, OF_THE_CLUSTER].concat();
    for name in Table::embedded().unwrap().rules.keys() {
        let rule = format!("rules.{name}");
        assert!(rows.iter().any(|row| row.4.split(' ').nth(2) == Some(&rule)), "{name} has no row");
    }
}

#[test]
fn a_rule_that_is_off_is_silent_and_one_that_was_softened_no_longer_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[rules.swap]\nseverity = 'off'\n[rules.master-not-ready]\nseverity = 'warn'\n";
    std::fs::write(folder.path().join("a.toml"), text).unwrap();
    let table = Table::load(&[folder.path()]).unwrap();
    let mut facts = cluster("1.33.13", "1.34.4", "3.5.32");
    host_of(&mut facts, 3).swap = true;
    facts.nodes[1].ready = false;
    let judgement = judge(&table, &facts);
    assert!(blocks(&judgement).is_empty());
    assert!(
        judgement.findings.iter().any(|one| one.rule == "rules.master-not-ready" && one.severity == Severity::Warn)
    );
    assert!(judgement.findings.iter().all(|one| one.rule != "rules.swap"));
}

#[test]
fn swap_that_the_kubelet_bears_and_kubelets_that_speak_to_themselves_are_no_findings() {
    let mut facts = cluster("1.33.13", "1.34.4", "3.5.32");
    (host_of(&mut facts, 3).swap, host_of(&mut facts, 3).fail_swap_on) = (true, false);
    for (n, server) in [(0, "https://127.0.0.1:6443"), (1, "https://m2:6443"), (2, "https://10.0.0.3:6443")] {
        host_of(&mut facts, n).kubelet_server = server.into();
    }
    assert_eq!(lines(&facts), ["note SLIP-UPGRADE-005 rules.static-pods-1-34"]);
}
