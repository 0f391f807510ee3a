//! What is said of a node, from plain data.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_cluster::etcd::{MasterReport, Member, MemberId};
use slipway_cluster::{Address, CredentialId, Denial, Node};
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator as wire;
use slipway_proto::types::{CertificateEnd, EtcdKind, HostFacts, KubeconfigServer, UnitState};
use slipway_types::{NodeName, NodeRole};

use super::page;
use super::seen::{Seen, SeenMaster};
use crate::etcd::EtcdView;
use crate::fleet::{HostRecord, HostState, HostView};
use crate::snapshot::Kept;

const VIP: &str = "10.0.0.100";
const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 3600 * 1000;

fn name(n: u8) -> NodeName {
    NodeName::new(format!("m{n}")).unwrap()
}

fn node(n: u8) -> Node {
    Node {
        name: name(n),
        uid: String::new(),
        resource_version: String::new(),
        role: NodeRole::ControlPlane,
        ready: true,
        ready_status: "True".into(),
        version: "v1.33.13".into(),
        unschedulable: false,
        annotations: BTreeMap::new(),
        labels: BTreeMap::new(),
        taints: Vec::new(),
        addresses: vec![Address { kind: "InternalIP".into(), address: format!("10.0.0.{n}") }],
        created: None,
        machine_id: String::new(),
        boot_id: String::new(),
    }
}

fn reaches(server: &str) -> Vec<KubeconfigServer> {
    vec![KubeconfigServer {
        path: "/etc/kubernetes/kubelet.conf".into(),
        server: format!("https://{server}:6443"),
        ..Default::default()
    }]
}

fn facts(n: u8) -> HostFacts {
    let end = |path: &str, not_after_ms| CertificateEnd { path: path.into(), not_after_ms };
    let mut addresses = vec![format!("10.0.0.{n}")];
    addresses.extend((n == 1).then(|| VIP.to_owned()));
    HostFacts {
        control_plane: true,
        kubelet_certificate_sha256: "b".repeat(64),
        etcd_kind: EtcdKind::StaticPod.into(),
        addresses,
        kubeconfigs: reaches(VIP),
        units: vec![UnitState {
            unit: "keepalived.service".into(),
            active: "active".into(),
            enablement: "enabled".into(),
        }],
        certificates: vec![end("/pki/ca.crt", NOW + 3000 * DAY), end("/pki/apiserver.crt", NOW + 300 * DAY)],
        ..Default::default()
    }
}

fn member(n: u8) -> Member {
    Member {
        id: MemberId(0xa0 + u64::from(n)),
        name: format!("m{n}"),
        peer_urls: vec![format!("https://10.0.0.{n}:2380")],
        client_urls: vec![format!("https://10.0.0.{n}:2379")],
        learner: false,
        healthy: true,
        version: "3.5.24".into(),
        db_size: 4096,
        leader: n == 1,
        raft_index: 7,
        alarms: Vec::new(),
    }
}

fn report(n: u8) -> MasterReport {
    let member = Some(MemberId(0xa0 + u64::from(n)));
    MasterReport { node: name(n), member, addresses: vec![format!("10.0.0.{n}")], has_data: true, runs: true }
}

fn view() -> EtcdView {
    EtcdView {
        members: [1, 2, 3].map(member).into(),
        reports: [1, 2, 3].map(report).into(),
        told_by: Some(name(2)),
        ..Default::default()
    }
}

/// The first of three masters that are all well.
fn well() -> Seen {
    let record = HostRecord {
        id: "h1".into(),
        name: "m1".into(),
        address: "10.0.0.1:7443".into(),
        machine_id: String::new(),
        enrolled_ms: 0,
        state: HostState::InService,
        kubelet_credential: None,
    };
    let kept = Kept {
        file: "a".into(),
        cluster: "lab".into(),
        host: "m2".into(),
        member: "a2".into(),
        etcd_version: "3.5.24".into(),
        size_bytes: 4096,
        sha256: String::new(),
        revision: None,
        taken_ms: NOW - 1000,
        recipient: String::new(),
    };
    let master = SeenMaster {
        nodes: Ok([1, 2, 3].map(node).into()),
        etcd: Ok(view()),
        texts: Ok(Vec::new()),
        hosts: [1, 2, 3].map(|n| (format!("m{n}"), Some(facts(n)))).into(),
        snapshot: Ok(Some(kept)),
    };
    Seen {
        name: name(1),
        host: Some(record),
        store: Ok(()),
        view: HostView { facts: Some(facts(1)), ..Default::default() },
        silent: None,
        node: Ok(Some(node(1))),
        pods: Ok(Vec::new()),
        denial: Ok(None),
        master: Some(master),
        now_ms: NOW,
    }
}

fn master(seen: &mut Seen) -> &mut SeenMaster {
    seen.master.as_mut().unwrap()
}

fn told(seen: &Seen) -> (wire::ControlPlane, Vec<String>, Vec<String>) {
    let page = page(seen, Vec::new());
    (page.control_plane.unwrap(), page.unknown, page.to_do)
}

#[test]
fn a_master_that_is_well_tells_its_part_and_the_price_of_its_leaving() {
    let (told, unknown, to_do) = told(&well());
    let member = told.member.unwrap();
    assert_eq!((member.id.as_str(), member.node.as_str(), told.member_certain), ("a1", "m1", true));
    assert!(
        told.without_it.contains("without m1 (a1) it has 2 members, all healthy, needs 2, and survives no failure")
    );
    assert_eq!(told.removal, "needs-word", "{}", told.removal_says);
    assert_eq!((told.virtual_address.as_str(), told.address_held_by.as_slice()), (VIP, &["m1".to_owned()][..]));
    assert_eq!(told.keepalived, "active enabled");
    assert_eq!(told.first_certificate.unwrap().path, "/pki/apiserver.crt");
    assert_eq!(told.last_snapshot.unwrap().host, "m2");
    assert_eq!(unknown, [""; 0]);
    assert_eq!(to_do, ["to take it out of the cluster: slipway node remove m1 --accept-less-tolerance"]);
}

#[test]
fn whoever_reaches_the_api_through_it_alone_is_named_and_keeps_it() {
    let mut seen = well();
    let w1 = HostFacts { kubeconfigs: reaches("10.0.0.1"), ..Default::default() };
    master(&mut seen).hosts.push(("w1".into(), Some(w1)));
    master(&mut seen).hosts.push(("w2".into(), None));
    master(&mut seen).texts = Ok(vec![("kube-system/kube-proxy".into(), "    server: https://10.0.0.1:6443\n".into())]);
    let (told, unknown, to_do) = told(&seen);
    let w1 = "w1 (/etc/kubernetes/kubelet.conf: https://10.0.0.1:6443)";
    assert_eq!(told.dependents, ["ConfigMap kube-system/kube-proxy (server: https://10.0.0.1:6443)", w1]);
    assert_eq!(told.removal, "refused");
    assert!(to_do.iter().any(|line| line.contains("slipway node set-endpoint HOST:PORT")), "{to_do:?}");
    assert_eq!(unknown, ["how w2 reach the API (not heard by this coordinator yet)"]);
}

#[test]
fn without_an_api_server_the_agents_are_still_told_of_and_the_gap_is_named_once() {
    let mut seen = well();
    let away = Coded::new(Code::KUBE_UNREACHABLE, "connection refused");
    seen.node = Err(away.clone());
    seen.pods = Err(away.clone());
    seen.denial = Err(away.clone());
    let of_master = master(&mut seen);
    (of_master.nodes, of_master.texts) = (Err(away.clone()), Err(away));
    let (told, unknown, to_do) = told(&seen);
    assert_eq!(told.member.unwrap().id, "a1");
    assert!(!told.member_certain && told.etcd_says.contains("only its agent says so"), "{}", told.etcd_says);
    assert_eq!(told.removal, "refused", "nothing is removed on one witness");
    assert_eq!(told.virtual_address, "", "which address moves cannot be told without the Nodes");
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].starts_with("the Node, its pods, denials of its kubelet, "), "{unknown:?}");
    assert!(to_do[0].starts_with("the API server cannot be asked"), "{to_do:?}");
}

#[test]
fn a_silent_master_is_told_by_the_others() {
    let mut seen = well();
    seen.silent = Some(Duration::from_secs(90));
    seen.view.says = "connection refused".into();
    let mut view = view();
    view.reports.retain(|report| report.node != name(1));
    view.members[0] = Member { healthy: false, leader: false, ..member(1) };
    view.silent = BTreeMap::from([(name(1), "connection refused".to_owned())]);
    master(&mut seen).etcd = Ok(view);
    let (told, unknown, to_do) = told(&seen);
    assert!(told.member_certain, "{}", told.etcd_says);
    assert_eq!(told.removal, "allowed", "a member that is down costs nothing");
    assert!(unknown[0].contains("90 s old: connection refused"), "{unknown:?}");
    assert!(to_do[0].contains("10.0.0.1:7443 does not answer"), "{to_do:?}");
    assert!(to_do.iter().any(|line| line.ends_with("slipway node remove m1 --unreachable")), "{to_do:?}");
}

#[test]
fn an_etcd_without_a_quorum_is_no_empty_place() {
    let mut seen = well();
    let silent = BTreeMap::from([(name(2), "connection refused".to_owned())]);
    master(&mut seen).etcd = Ok(EtcdView { silent, reports: vec![report(1)], ..Default::default() });
    let (told, _, to_do) = told(&seen);
    assert!(told.etcd_says.contains("m2: connection refused"), "{}", told.etcd_says);
    assert_eq!((told.member, told.removal.as_str()), (None, ""));
    assert!(to_do[0].starts_with("etcd gives no list that a quorum agreed on"), "{to_do:?}");
}

#[test]
fn an_etcd_on_other_machines_is_no_etcd_without_a_quorum() {
    let mut seen = well();
    let bare = |n: u8| MasterReport { member: None, has_data: false, runs: false, ..report(n) };
    let without = [1, 2, 3].map(name).into();
    master(&mut seen).etcd = Ok(EtcdView { reports: [1, 2, 3].map(bare).into(), without, ..Default::default() });
    let (_, _, to_do) = told(&seen);
    assert!(!to_do.iter().any(|line| line.starts_with("etcd gives no list")), "{to_do:?}");
}

#[test]
fn a_member_that_may_be_another_hosts_is_shown_and_never_let_go() {
    let mut seen = well();
    let mut view = view();
    view.members[0].peer_urls = vec!["https://10.0.0.9:2380".into()];
    master(&mut seen).etcd = Ok(view);
    let (told, _, to_do) = told(&seen);
    assert!(told.member.is_some() && !told.member_certain);
    assert!(told.etcd_says.contains("10.0.0.9"), "{}", told.etcd_says);
    assert!(to_do.iter().any(|line| line.starts_with("it cannot leave as things are: it is not certain")), "{to_do:?}");
}

#[test]
fn the_last_master_stays() {
    let mut seen = well();
    master(&mut seen).nodes = Ok(vec![node(1)]);
    let (told, ..) = told(&seen);
    assert!(told.removal == "refused" && told.removal_says.starts_with("it is the last control-plane node"));
}

#[test]
fn what_ends_or_is_missing_comes_before_the_leaving() {
    let mut seen = well();
    let facts = seen.view.facts.as_mut().unwrap();
    facts.certificates[1].not_after_ms = NOW + 5 * DAY;
    facts.kubelet_certificate_sha256 = "a".repeat(64);
    let now = CredentialId::parse(&"a".repeat(64)).unwrap();
    seen.denial = Ok(Some(Denial { anything: false, credentials: vec![now.clone()] }));
    master(&mut seen).snapshot = Ok(None);
    let page = page(&seen, vec!["0198c2aa".into()]);
    assert!(page.denial.contains(now.as_str()), "{}", page.denial);
    let starts = [
        "its kubelet is denied, as it is now: slipway node recover m1",
        "a run holds it: slipway run show 0198c2aa",
        "/pki/apiserver.crt ends in 5 days",
        "no snapshot of etcd is kept",
        "to take it out",
    ];
    assert_eq!(page.to_do.len(), starts.len(), "{:?}", page.to_do);
    assert!(page.to_do.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{:?}", page.to_do);
}

#[test]
fn a_worker_has_no_part_in_the_control_plane() {
    let page = page(&Seen { master: None, ..well() }, Vec::new());
    assert_eq!((page.control_plane, page.to_do), (None, Vec::new()));
}
