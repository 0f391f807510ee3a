//! The lab itself under test: if it is not what it says it is, no other test means anything.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_cluster_is_ready", cost: 10, set: Set::Smoke, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    nodes_are_ready(lab)?;
    for host in lab.nodes() {
        dns_answers(&host)?;
        network_was_laid_by_its_daemon_set(lab, &host)?;
        packages_own_their_programs(lab, &host)?;
        kubeadm_calls_are_counted(&host)?;
    }
    hosts_are_not_one(lab)?;
    api_server_bears_witness(lab)
}

fn nodes_are_ready(lab: &Lab) -> Result<()> {
    let list = lab.kubectl_json(&["get", "nodes"])?;
    let items = list["items"].as_array().context("a list of nodes")?;
    ensure!(items.len() == lab.nodes().len(), "{} nodes, {} hosts", items.len(), lab.nodes().len());
    for node in items {
        let conditions = node["status"]["conditions"].as_array().context("conditions")?;
        let ready = conditions.iter().any(|of| of["type"] == "Ready" && of["status"] == "True");
        ensure!(ready, "{} is not ready", node["metadata"]["name"]);
    }
    Ok(())
}

/// Right after a rollout kube-proxy may be a second behind.
fn dns_answers(host: &Host) -> Result<()> {
    let name = "kubernetes.default.svc.cluster.local";
    let address =
        eventually(&format!("DNS on {}", host.name()), Duration::from_secs(20), || host.resolve_in_cluster(name))?;
    ensure!(address == "10.96.0.1", "{name} is {address} on {}", host.name());
    Ok(())
}

fn network_was_laid_by_its_daemon_set(lab: &Lab, host: &Host) -> Result<()> {
    let laid = host.read_file("/etc/cni/net.d/10-bridge.conflist")?;
    ensure!(laid.contains(&host.plan().pod_network()), "{} has another host's network: {laid}", host.name());
    let selector = format!("spec.nodeName={}", host.name());
    let pods =
        lab.kubectl_json(&["-n", "lab-network", "get", "pods", "-l", "app=lab-bridge", "--field-selector", &selector])?;
    let [pod] = pods["items"].as_array().context("a list of pods")?.as_slice() else {
        bail!("{} has not one pod of the network, but {}", host.name(), pods["items"])
    };
    ensure!(
        pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet",
        "no DaemonSet made {}",
        pod["metadata"]["name"]
    );
    Ok(())
}

fn packages_own_their_programs(lab: &Lab, host: &Host) -> Result<()> {
    let want = lab.shape().release.package_version();
    for package in ["kubelet", "kubeadm", "kubectl"] {
        let seen = host.run_ok(&["dpkg-query", "--show", "--showformat", "${Version} ${db:Status-Want}", package])?;
        ensure!(seen == format!("{want} hold"), "{package} on {} is {seen}, not {want} hold", host.name());
        let owner = host.run_ok(&["dpkg-query", "--search", &format!("/usr/bin/{package}")])?;
        ensure!(owner.contains(&format!("{package}: ")), "/usr/bin/{package} belongs to {owner}");
    }
    let version = host.run_ok(&["kubeadm", "version", "-o", "short"])?;
    ensure!(version.trim() == format!("v{}", lab.shape().release.version()), "kubeadm says {version}");
    Ok(())
}

fn kubeadm_calls_are_counted(host: &Host) -> Result<()> {
    let calls = host.kubeadm_calls()?;
    let made = |call: &&crate::calls::KubeadmCall| {
        matches!(call.argv.first().map(String::as_str), Some("init" | "join")) && call.exit == Some(0)
    };
    ensure!(calls.iter().any(|call| made(&call)), "nothing made {} a node: {calls:?}", host.name());
    let before = calls.len();
    ensure!(!host.run(&["kubeadm", "no-such-verb"])?.is_ok(), "kubeadm takes any verb");
    let calls = host.kubeadm_calls()?;
    ensure!(calls.len() == before + 1, "{} calls after {before} and one more", calls.len());
    let failed = calls.last().is_some_and(|call| call.exit.is_some_and(|code| code != 0));
    ensure!(failed, "its failure was not written down: {:?}", calls.last());
    Ok(())
}

fn hosts_are_not_one(lab: &Lab) -> Result<()> {
    let mut ids = lab.hosts().iter().map(|host| host.read_file("/etc/machine-id")).collect::<Result<Vec<_>>>()?;
    ids.sort();
    ids.dedup();
    ensure!(ids.len() == lab.hosts().len(), "{} machine-ids on {} hosts", ids.len(), lab.hosts().len());
    Ok(())
}

fn api_server_bears_witness(lab: &Lab) -> Result<()> {
    lab.kubectl(&["annotate", "node", "m1", "lab.kube.test/witness=1"])?;
    lab.kubectl(&["annotate", "node", "m1", "lab.kube.test/witness-"])?;
    let patched = eventually("two patches of m1 in the audit log", Duration::from_secs(10), || {
        let mut entries = lab.audit()?;
        entries.retain(|entry| {
            entry.verb == "patch"
                && entry.resource == "nodes"
                && entry.name == "m1"
                && entry.agent.starts_with("kubectl")
        });
        ensure!(entries.len() >= 2, "there are {}", entries.len());
        Ok(entries)
    })?;
    ensure!(patched.iter().all(|entry| entry.user == "kubernetes-admin" && entry.code == 200), "{patched:?}");
    Ok(())
}
