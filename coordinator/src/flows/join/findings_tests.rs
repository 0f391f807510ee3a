//! Each thing that can stand in the way of a join, alone and together.

use slipway_proto::types::{Change, FreeSpace, Obstacle};

use super::*;

type Spoil = fn(&mut Case);

/// What a healthy host says, to be spoilt.
struct Case {
    version: &'static str,
    control_plane: bool,
    said: HostFacts,
    ready: HostReadiness,
    scanned: CheckResponse,
    prepare: CheckResponse,
    twins: Vec<Twin>,
    first_cgroups_allowed: bool,
}

fn healthy() -> Case {
    let space = |path: &str| FreeSpace { path: path.into(), available_bytes: 20 << 30 };
    Case {
        version: "1.33.13",
        control_plane: false,
        said: HostFacts {
            hostname: "w2".into(),
            machine_id: "m2".into(),
            product_uuid: "u2".into(),
            macs: vec!["52:54:00:00:00:02".into()],
            cgroup_version: 2,
            ..HostFacts::default()
        },
        ready: HostReadiness {
            now_ms: 1_000_050,
            spaces: ["/", "/var/lib/containerd", "/var/lib/kubelet", ETCD].map(space).into(),
            listening_ports: vec![22],
        },
        scanned: CheckResponse { satisfied: true, ..CheckResponse::default() },
        prepare: CheckResponse::default(),
        twins: vec![Twin {
            name: "w1".into(),
            is_node: true,
            machine_id: "m1".into(),
            hostname: "w1".into(),
            product_uuid: "u1".into(),
            macs: vec!["52:54:00:00:00:01".into()],
        }],
        first_cgroups_allowed: false,
    }
}

fn judged(case: &Case) -> Vec<Finding> {
    let cluster = ClusterInfo { api_server: "10.70.0.10:6443".into(), ca_cert_hashes: vec!["sha256:ours".into()] };
    findings(&Seen {
        name: &"w2".parse().unwrap(),
        version: case.version.parse().unwrap(),
        control_plane: case.control_plane,
        said: &case.said,
        ready: &case.ready,
        asked_ms: (1_000_000, 1_000_100),
        scanned: &case.scanned,
        prepare: &case.prepare,
        twins: &case.twins,
        cluster: &cluster,
        first_cgroups_allowed: case.first_cgroups_allowed,
        settings: &Settings::default(),
    })
}

fn kubeconfig(server: &str, ca_cert_hash: &str) -> KubeconfigServer {
    KubeconfigServer { path: KUBELET_CONF.into(), server: server.into(), ca_cert_hash: ca_cert_hash.into() }
}

#[test]
fn of_a_healthy_host_there_is_nothing_to_say() {
    assert_eq!(judged(&healthy()), []);
    assert_eq!(judged(&Case { control_plane: true, ..healthy() }), []);
}

#[test]
fn what_cannot_work_is_refused_with_its_way_out() {
    let cases: [(Spoil, Code, &str); 11] = [
        (|case| case.said.machine_id = "m1".into(), Code::NODE_IDENTITY, "systemd-machine-id-setup"),
        (|case| case.said.macs = vec!["52:54:00:00:00:01".into()], Code::HOST_TWIN, "MAC address"),
        (|case| case.said.hostname = "w1".into(), Code::HOST_TWIN, "hostnamectl set-hostname w2"),
        (|case| case.ready.spaces[1].available_bytes = 5, Code::HOST_SPACE, "df -h /var/lib/containerd"),
        (|case| case.ready.listening_ports.push(10250), Code::HOST_PORT, "ss -lntp"),
        (|case| case.ready.now_ms = 600_000, Code::HOST_CLOCK, "timedatectl"),
        (|case| case.ready.now_ms = 1_400_200, Code::HOST_CLOCK, "timedatectl"),
        (|case| case.scanned.satisfied = false, Code::HOST_LEFTOVERS, "slipway host clean w2"),
        (
            |case| case.said.kubeconfigs = vec![kubeconfig("https://10.70.0.10:6443", "sha256:other")],
            Code::HOST_OTHER_CLUSTER,
            "--of-another-cluster",
        ),
        (
            |case| case.said.kubeconfigs = vec![kubeconfig("https://10.9.9.9:6443", "")],
            Code::HOST_OTHER_CLUSTER,
            "--of-another-cluster",
        ),
        (
            |case| {
                case.said.cgroup_version = 1;
                case.version = "1.35.0";
            },
            Code::HOST_CGROUPS,
            "unified_cgroup_hierarchy",
        ),
    ];
    for (spoil, code, way) in cases {
        let mut case = healthy();
        spoil(&mut case);
        let error = refusal(&judged(&case)).unwrap();
        assert_eq!(error.code, code, "{error}");
        assert!(error.way_out.clone().unwrap().contains(way), "{error}");
    }
}

#[test]
fn what_only_a_master_needs_is_asked_of_masters_alone() {
    for spoil in [(|case: &mut Case| case.ready.spaces[3].available_bytes = 5) as Spoil, |case| {
        case.ready.listening_ports.push(2379);
    }] {
        let mut case = healthy();
        spoil(&mut case);
        assert_eq!(judged(&case), []);
        case.control_plane = true;
        assert!(refusal(&judged(&case)).is_some());
    }
}

#[test]
fn what_only_should_be_known_refuses_nothing() {
    let cases: [(Spoil, Severity); 6] = [
        (|case| case.said.hostname = "debian".into(), Severity::Warn),
        (|case| case.said.product_uuid = "u1".into(), Severity::Warn),
        (|case| case.said.product_uuid.clear(), Severity::Note),
        (|case| case.ready.now_ms = 1_060_000, Severity::Warn),
        (|case| case.said.cgroup_version = 1, Severity::Note),
        (
            |case| {
                case.said.cgroup_version = 1;
                case.version = "1.35.0";
                case.first_cgroups_allowed = true;
            },
            Severity::Note,
        ),
    ];
    for (spoil, severity) in cases {
        let mut case = healthy();
        spoil(&mut case);
        let found = judged(&case);
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [severity], "{found:?}");
        assert_eq!(refusal(&found), None);
    }
}

#[test]
fn a_kubeconfig_of_this_very_cluster_is_a_leftover_and_no_other_cluster() {
    let mut case = healthy();
    case.said.kubeconfigs = vec![kubeconfig("https://10.70.0.10:6443", "sha256:ours")];
    case.said.cni_profiles = vec!["flannel".into()];
    case.scanned = CheckResponse {
        changes: vec![Change { kind: "link".into(), what: "flannel.1".into(), ..Change::default() }],
        ..CheckResponse::default()
    };
    let error = refusal(&judged(&case)).unwrap();
    assert_eq!(error.code, Code::HOST_LEFTOVERS);
    assert!(error.message.contains("of flannel") && error.message.contains("link flannel.1"), "{error}");
}

#[test]
fn all_that_stands_in_the_way_is_told_at_once() {
    let mut case = healthy();
    case.ready.listening_ports.push(10250);
    let explain = "swap is on (/dev/zram0), and the kubelets do not start with it: swapoff -a";
    case.prepare.obstacles =
        vec![Obstacle { code: "SLIP-HOST-018".into(), what: "swap".into(), explain: explain.into() }];
    let error = refusal(&judged(&case)).unwrap();
    assert_eq!(error.code, Code::HOST_PORT);
    for part in ["10250", "swap is on", "SLIP-HOST-018"] {
        assert!(error.message.contains(part), "{error}");
    }
    assert!(error.way_out.unwrap().contains("swapoff -a"));
}
