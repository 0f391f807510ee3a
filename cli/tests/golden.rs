//! What people read, held as golden files beside this one: a change of a screen is a change in review. `INSTA_UPDATE=always cargo test -p
//! slipway-cli --test golden` writes them anew.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use slipway_cli::failure::told;
use slipway_cli::screen::Format;
use slipway_cli::show::plan::Detail;
use slipway_cli::show::{bootstrap_token, host, node, plan, run};
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::*;
use slipway_proto::types::{CertificateEnd, Disk, HostFacts, HostMetrics, UnitState};

fn step(id: &str, phase: &str, summary: &str, by_hand: &[&str]) -> PlannedStep {
    PlannedStep {
        id: id.into(),
        phase: phase.into(),
        node: "w2".into(),
        summary: summary.into(),
        by_hand: by_hand.iter().map(|&line| line.to_owned()).collect(),
        ..Default::default()
    }
}

/// The plan that `node remove w2 --delete-emptydir-data` shows, in the words of the flow's steps.
fn scale_in() -> Plan {
    let reset = "kubeadm reset -f --skip-phases remove-etcd-member --cri-socket unix:///run/containerd/containerd.sock";
    let scan = [
        "systemctl is-enabled kubelet; crictl pods; ip -d link; nft list ruleset",
        "ls -A /etc/kubernetes /var/lib/kubelet",
    ];
    let netfilter = [
        "nft delete table ip kube-proxy",
        "iptables-save | grep KUBE-   # delete the rules that lead to them, then the chains",
    ];
    let mut steps = vec![
        step("cordon-w2", "evacuate", "cordon w2", &["kubectl cordon w2"]),
        step(
            "drain-w2",
            "evacuate",
            "drain w2: 14 pods",
            &["kubectl drain w2 --ignore-daemonsets --delete-emptydir-data"],
        ),
        step("volumes-w2", "evacuate", "wait until no volume is attached to w2", &[]),
        step("mask-kubelet-w2", "clean host", "stop and mask kubelet", &["systemctl mask --now kubelet.service"]),
        step("reset-w2", "clean host", "kubeadm reset", &[reset]),
        step("clean-cni-w2", "clean host", "remove links, routes and state of the CNI", &["ip link delete NAME"]),
        step("clean-netfilter-w2", "clean host", "remove firewall rules of Kubernetes, one by one", &netfilter),
        step("scan-leftovers-w2", "clean host", "look for what is left; nothing may be", &scan),
        step("delete-node-w2", "leave", "delete the Node object w2", &["kubectl delete node w2"]),
        step("node-is-gone-w2", "verify", "nothing of w2 is left at the API server", &[]),
        step("release-host-w2", "verify", "the host of w2 waits for its next use", &[]),
    ];
    steps[3].no_return_before = "the node leaves the cluster".into();
    steps[9].reads_only = true;
    steps[5].changes = vec!["remove link cni0".into(), "remove state /var/lib/cni/networks/lab".into()];
    steps[6].changes =
        vec!["remove table ip kube-proxy".into(), "remove chain KUBE-FIREWALL of filter in iptables".into()];
    for step in steps.iter_mut().skip(3) {
        step.after_no_return = true;
    }
    let warnings = vec!["--delete-emptydir-data: what is in emptyDir volumes is lost".into()];
    Plan {
        flow: "scale-in".into(),
        title: "scale-in w2: worker, v1.33.13, 10.70.0.22".into(),
        steps,
        warnings,
        ..Default::default()
    }
}

#[test]
fn a_plan_on_a_wide_screen() {
    insta::assert_snapshot!(plan::text(&scale_in(), Detail::Counted, 120));
}

#[test]
fn a_plan_on_a_narrow_screen() {
    insta::assert_snapshot!(plan::text(&scale_in(), Detail::Counted, 80));
}

#[test]
fn a_plan_with_every_change() {
    insta::assert_snapshot!(plan::text(&scale_in(), Detail::EveryChange, 120));
}

fn metrics(cpu: f64, disk_free: u64) -> HostMetrics {
    let gib = 1024 * 1024 * 1024;
    HostMetrics {
        cpu_percent: cpu,
        cores: 4,
        memory_total_bytes: 8 * gib,
        memory_available_bytes: 5 * gib,
        disks: vec![Disk { mount_point: "/".into(), total_bytes: 100 * gib, available_bytes: disk_free * gib }],
        ..Default::default()
    }
}

fn nodes() -> Vec<Node> {
    let node = |name: &str, role: &str| Node {
        name: name.into(),
        role: role.into(),
        version: "v1.33.13".into(),
        ready: "True".into(),
        kubelet_unit: "active".into(),
        heartbeat_age_ms: 400,
        ..Default::default()
    };
    let mut master = node("m1", "control-plane");
    master.metrics = Some(metrics(7.3, 60));
    let mut cordoned = node("w1", "worker");
    (cordoned.cordoned, cordoned.cordon_owner, cordoned.cordon_reason) =
        (true, "operator/alice".into(), "disk swap".into());
    cordoned.metrics = Some(metrics(41.0, 12));
    let mut foreign = node("ip-10-70-0-22.ec2.internal", "worker");
    (foreign.cordoned, foreign.ready, foreign.heartbeat_age_ms) = (true, "Unknown".into(), 185_000);
    let unknown = Node { name: "w3".into(), heartbeat_age_ms: -1, ..Default::default() };
    vec![master, cordoned, foreign, unknown]
}

#[test]
fn the_list_of_bootstrap_tokens() {
    let token = |id: &str, expires_ms, description: &str| BootstrapToken {
        id: id.into(),
        expires_ms,
        description: description.into(),
        ours: description.starts_with("slipway: "),
        ..Default::default()
    };
    let mut of_run = token("k3x9q2", 1_800_000_000_000, "slipway: run 0198c2aa-0000-7000-8000-1234deadbeef joins w2");
    of_run.run = "0198c2aa-0000-7000-8000-1234deadbeef".into();
    let mut over = token("a1b2c3", 1_700_000_000_000, "slipway: rack 7 (admin/alice)");
    over.over = true;
    let tokens = [over, of_run, token("zzzzzz", 0, "")];
    insta::assert_snapshot!(bootstrap_token::list(&tokens, 120, &TimeZone::UTC));
}

#[test]
fn the_list_of_nodes() {
    let answer = ListNodesResponse { nodes: nodes(), api_error: String::new() };
    let text = node::list(&answer, 120);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_list_of_nodes_fits_eighty_columns_with_ordinary_names() {
    let answer = ListNodesResponse {
        nodes: nodes().into_iter().filter(|node| node.name.len() < 3).collect(),
        api_error: String::new(),
    };
    let text = node::list(&answer, 80);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn one_node() {
    let mut w1 = nodes().remove(1);
    (w1.host_id, w1.host_state, w1.address) = ("0198c2aa-77".into(), "in-service".into(), "10.70.0.21".into());
    let unit = UnitState { unit: "kubelet.service".into(), active: "active".into(), enablement: "enabled".into() };
    let facts = HostFacts {
        os: "Debian GNU/Linux 12".into(),
        kernel: "6.1.0".into(),
        architecture: "x86_64".into(),
        containerd_version: "1.7.24".into(),
        cri_socket: "unix:///run/containerd/containerd.sock".into(),
        units: vec![unit],
        certificates: vec![CertificateEnd {
            path: "/var/lib/kubelet/pki/kubelet-client-current.pem".into(),
            not_after_ms: 1_800_000_000_000,
        }],
        cni_profiles: vec!["bridge".into()],
        agent_version: "0.1.0".into(),
        ..Default::default()
    };
    let pod = |name: &str, owner: &str| PodOnNode {
        namespace: "shop".into(),
        name: name.into(),
        phase: "Running".into(),
        owner: owner.into(),
    };
    let answer = GetNodeResponse {
        node: Some(w1),
        facts: Some(facts),
        labels: HashMap::from([("pool".into(), "batch".into()), ("kubernetes.io/os".into(), "linux".into())]),
        annotations: HashMap::new(),
        taints: vec!["node.kubernetes.io/unschedulable:NoSchedule".into()],
        pods: vec![pod("web-7d4", "ReplicaSet/web-7d"), pod("lonely", "")],
        runs: vec!["0198c2aa-0000-7000-8000-1234deadbeef".into()],
        ..Default::default()
    };
    insta::assert_snapshot!(node::page(&answer, 100, &TimeZone::UTC));
}

fn master() -> GetNodeResponse {
    let mut m1 = nodes().remove(0);
    (m1.host_id, m1.host_state, m1.address) = ("0198c2aa-11".into(), "in-service".into(), "10.70.0.11".into());
    let member = EtcdMemberRow {
        id: "8e9e05c52164694d".into(),
        name: "m1".into(),
        node: "m1".into(),
        peer_urls: vec!["https://10.70.0.11:2380".into()],
        client_urls: vec!["https://10.70.0.11:2379".into()],
        healthy: true,
        leader: true,
        version: "3.5.24".into(),
        db_size_bytes: 20 << 20,
        raft_index: 123_456,
        ..Default::default()
    };
    let sentence = "etcd has 3 members, all healthy, and survives 1 more failure; without m1 (8e9e05c52164694d) it has 2 members, all \
                    healthy, needs 2, and survives no failure";
    let kept = KeptSnapshot {
        file: "etcd-lab-20261121T100000Z.snapshot.age".into(),
        host: "m2".into(),
        taken_ms: 1_795_255_200_000,
        size_bytes: 20 << 20,
        etcd_version: "3.5.24".into(),
    };
    let told = ControlPlane {
        member: Some(member),
        member_certain: true,
        etcd_stands: "3 of 3 members are healthy; 1 more may fail".into(),
        without_it: sentence.into(),
        removal: "needs-word".into(),
        removal_says: sentence.into(),
        virtual_address: "10.70.0.10".into(),
        address_held_by: vec!["m1".into()],
        keepalived: "active enabled".into(),
        dependents: vec!["w1 (/etc/kubernetes/kubelet.conf: https://10.70.0.11:6443)".into()],
        last_snapshot: Some(kept),
        first_certificate: Some(CertificateEnd {
            path: "/etc/kubernetes/pki/apiserver.crt".into(),
            not_after_ms: 1_800_000_000_000,
        }),
        ..Default::default()
    };
    GetNodeResponse {
        node: Some(m1),
        facts: Some(HostFacts { addresses: vec!["10.70.0.11".into(), "10.70.0.10".into()], ..Default::default() }),
        control_plane: Some(told),
        denial: "any kubelet of this name, until it joins again".into(),
        unknown: vec!["how w2, w3 reach the API (not heard by this coordinator yet)".into()],
        to_do: vec![
            "its kubelet is denied, as it is now: join the host again, with a new certificate it is let in".into(),
            "to take it out of the cluster: slipway node remove m1 --accept-less-tolerance".into(),
        ],
        ..Default::default()
    }
}

#[test]
fn one_master() {
    insta::assert_snapshot!(node::page(&master(), 100, &TimeZone::UTC));
}

#[test]
fn one_master_on_a_narrow_screen() {
    let text = node::page(&master(), 72, &TimeZone::UTC);
    assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_list_of_hosts() {
    let host = |name: &str, age, says: &str| Host {
        host_id: format!("0198c2aa-{name}"),
        name: name.into(),
        address: "10.70.0.21:7443".into(),
        state: "in-service".into(),
        heartbeat_age_ms: age,
        agent_version: "0.1.0".into(),
        says: says.into(),
        ..Default::default()
    };
    insta::assert_snapshot!(host::list(&[host("w1", 300, ""), host("w2", -1, "connection refused")], 100));
}

fn paused() -> GetRunResponse {
    let status = |id: &str, state: &str, says: &str, attempts: u32, record: &[&str]| StepStatus {
        id: id.into(),
        state: state.into(),
        says: says.into(),
        attempts,
        record: record.iter().map(|&line| line.to_owned()).collect(),
    };
    let summary = RunSummary {
        run: "0198c2aa-0000-7000-8000-1234deadbeef".into(),
        flow: "scale-in".into(),
        title: "scale-in w2: worker, v1.33.13, 10.70.0.22".into(),
        state: "paused".into(),
        why: "w2's agent does not answer".into(),
        started_ms: 1_795_255_200_000,
        ended_ms: 0,
        steps_done: 3,
        steps_total: 11,
        actor: "operator/alice".into(),
        nodes: vec!["w2".into()],
    };
    let steps = vec![
        status("cordon-w2", "done", "", 1, &["w2 was schedulable", "cordoned by operator/alice"]),
        status("drain-w2", "done", "", 3, &[]),
        status("volumes-w2", "already-true", "", 1, &[]),
        status("mask-kubelet-w2", "running", "SLIP-NODE-007: connection refused", 2, &[]),
        status("reset-w2", "waiting", "", 0, &[]),
    ];
    let remaining_by_hand = vec![
        "systemctl mask --now kubelet".into(),
        "kubeadm reset -f --skip-phases remove-etcd-member --cri-socket unix:///run/containerd/containerd.sock".into(),
        "kubectl delete node w2".into(),
    ];
    GetRunResponse { summary: Some(summary), plan: Some(scale_in()), steps, remaining_by_hand }
}

#[test]
fn one_run_that_is_paused() {
    insta::assert_snapshot!(run::page(&paused(), false, 80, &TimeZone::UTC));
}

#[test]
fn one_run_with_its_records() {
    insta::assert_snapshot!(run::page(&paused(), true, 120, &TimeZone::UTC));
}

#[test]
fn the_list_of_runs() {
    insta::assert_snapshot!(run::list(&paused().summary.into_iter().collect::<Vec<_>>(), 120, &TimeZone::UTC));
}

#[test]
fn an_error() {
    let error = Coded::new(
        Code::DRAIN_NEEDS_FLAG,
        "2 pods on w2 need a flag: shop/cache (--delete-emptydir-data), shop/lonely (--force)",
    )
    .do_this("start again with the flags that you agree to");
    insta::assert_snapshot!(told(&error, Format::Text, false));
}
