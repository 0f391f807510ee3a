//! Each rule fires where it should and nowhere else, and whole clusters get the findings that a person would expect.

mod clusters;
mod rules;

use slipway_cluster::etcd::{Member, MemberId};
use slipway_types::{KubernetesVersion, NodeRole};

use super::*;
use crate::versions::facts::{Cgroup, EtcdFacts, HostFacts, KubeadmFacts, NodeFacts};

fn version(text: &str) -> KubernetesVersion {
    text.parse().unwrap()
}

fn host(address: &str) -> HostFacts {
    HostFacts {
        cgroup: Cgroup::V2,
        fail_cgroup_v1: None,
        swap: false,
        fail_swap_on: true,
        kubelet_flags: Vec::new(),
        kubelet_server: format!("https://{address}:6443"),
        certificates: Vec::new(),
    }
}

fn master(n: u8, at: &str) -> NodeFacts {
    let address = format!("10.0.0.{n}");
    NodeFacts {
        name: format!("m{n}").parse().unwrap(),
        role: NodeRole::ControlPlane,
        ready: true,
        kubelet: version(at),
        api_server: Some(version(at)),
        runtime: "containerd://2.1.4".into(),
        addresses: vec![address.clone(), format!("m{n}")],
        host: Some(host(&address)),
    }
}

fn worker(n: u8, at: &str) -> NodeFacts {
    NodeFacts {
        name: format!("w{n}").parse().unwrap(),
        role: NodeRole::Worker,
        api_server: None,
        addresses: vec![format!("10.0.0.{}", 20 + n)],
        host: Some(host("10.0.0.100")),
        ..master(n, at)
    }
}

fn member(n: u8, at: &str) -> Member {
    Member {
        id: MemberId(0xa0 + u64::from(n)),
        name: format!("m{n}"),
        peer_urls: vec![format!("https://10.0.0.{n}:2380")],
        client_urls: vec![format!("https://10.0.0.{n}:2379")],
        learner: false,
        healthy: true,
        version: at.into(),
        db_size: 4096,
        leader: n == 1,
        raft_index: 100,
        alarms: Vec::new(),
    }
}

/// Three masters and two workers at `from`, in good health, on their way to `to`.
fn cluster(from: &str, to: &str, etcd: &str) -> Facts {
    Facts {
        target: version(to),
        nodes: vec![master(1, from), master(2, from), master(3, from), worker(1, from), worker(2, from)],
        etcd: EtcdFacts { external: false, members: vec![member(1, etcd), member(2, etcd), member(3, etcd)] },
        kubeadm: KubeadmFacts::default(),
        impasses: Vec::new(),
    }
}

fn found(facts: &Facts) -> Judgement {
    judge(&Table::embedded().unwrap(), facts)
}

/// The findings as a person scans them: severity, code, rule, node.
fn lines(facts: &Facts) -> Vec<String> {
    let name = |severity| match severity {
        Severity::Block => "block",
        Severity::Warn => "warn",
        Severity::Note => "note",
    };
    let line = |one: &Finding| {
        let node = one.node.as_ref().map(|node| format!(" {node}")).unwrap_or_default();
        format!("{} {} {}{node}", name(one.severity), one.code, one.rule)
    };
    found(facts).findings.iter().map(line).collect()
}

/// The findings that refuse the upgrade.
fn blocks(judgement: &Judgement) -> Vec<&Finding> {
    judgement.findings.iter().filter(|finding| finding.severity == Severity::Block).collect()
}
