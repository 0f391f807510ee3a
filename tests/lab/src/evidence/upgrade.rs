//! How an upgrade must end, whatever happened on its way: every node, every static pod, every package at the new release, all of it well; and
//! what must have held at each moment: the application's pods, and all API servers but one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::eventually::eventually;
use crate::evidence::{etcdctl, installed, members};
use crate::host::Host;
use crate::https::Client;
use crate::lab::Lab;
use crate::release::Release;
use crate::scene::administrator;
use crate::shape::Role;

const SETTLES: Duration = Duration::from_mins(3);
const PERIOD: Duration = Duration::from_millis(400);
const COMPONENTS: [&str; 3] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// Checks that the whole cluster is at a release and well.
pub(crate) fn all_is_at(lab: &Lab, release: Release) -> Result<()> {
    for host in lab.nodes() {
        node_is_at(lab, &host, release)?;
        ensure!(!half_installed(&host)?, "dpkg on {} is left half-done", host.name());
    }
    for master in lab.masters() {
        static_pods_are_at(lab, master, release)?;
    }
    etcd_is_at(lab, if release.minor() >= 34 { "3.6." } else { "3.5." })?;
    all_pods_are_well(lab)?;
    for host in lab.nodes() {
        eventually(&format!("DNS to answer on {}", host.name()), Duration::from_secs(30), || {
            host.resolve_in_cluster("kubernetes.default.svc.cluster.local")
        })?;
    }
    Ok(())
}

/// Checks that a node is at a release: by the kubelet's own word to the API server, and by its packages.
pub(crate) fn node_is_at(lab: &Lab, host: &Host, release: Release) -> Result<()> {
    serves_at(lab, host, release)?;
    installed(host, release)
}

/// Checks that a node serves at a release, whatever lies ready on it.
pub(crate) fn serves_at(lab: &Lab, host: &Host, release: Release) -> Result<()> {
    let name = host.name();
    eventually(&format!("{name} to be ready at {}", release.version()), SETTLES, || {
        let node = lab.kubectl_json(&["get", "node", name])?;
        let version = &node["status"]["nodeInfo"]["kubeletVersion"];
        ensure!(*version == format!("v{}", release.version()), "it is at {version}");
        let conditions = node["status"]["conditions"].as_array().context("conditions")?;
        let ready = conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True");
        ensure!(ready, "it is not ready");
        Ok(())
    })
}

fn half_installed(host: &Host) -> Result<bool> {
    Ok(!host.run_ok(&["dpkg", "--audit"])?.trim().is_empty())
}

fn static_pods_are_at(lab: &Lab, master: &Host, release: Release) -> Result<()> {
    for component in COMPONENTS {
        let name = format!("{component}-{}", master.name());
        eventually(&format!("{name} to run {}", release.version()), SETTLES, || {
            let pod = lab.kubectl_json(&["-n", "kube-system", "get", "pod", &name])?;
            // One image has many names here, and the status tells any of them.
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            ensure!(image.ends_with(&format!(":v{}", release.version())), "it runs {image}");
            ensure!(pod["status"]["containerStatuses"][0]["ready"] == true, "it is not ready");
            Ok(())
        })?;
    }
    Ok(())
}

fn etcd_is_at(lab: &Lab, line: &str) -> Result<()> {
    let all = members(lab, lab.master()?)?;
    ensure!(all.len() == lab.masters().len(), "etcd has the members {all:?}");
    ensure!(all.iter().all(|one| one.healthy && !one.learner), "not all members are well: {all:?}");
    let status = etcdctl(lab, lab.master()?, &["endpoint", "status", "--cluster", "--write-out", "json"])?;
    let status: Value = serde_json::from_str(&status.stdout).context("etcdctl speaks JSON")?;
    for member in status.as_array().context("a list of members")? {
        let version = member["Status"]["version"].as_str().unwrap_or_default();
        ensure!(version.starts_with(line), "a member is at {version}, not {line}x");
    }
    Ok(())
}

fn all_pods_are_well(lab: &Lab) -> Result<()> {
    for what in ["deployment/coredns", "daemonset/kube-proxy"] {
        lab.kubectl(&["-n", "kube-system", "rollout", "status", what, "--timeout=180s"])?;
    }
    eventually("all pods of kube-system to be ready", SETTLES, || {
        let list = lab.kubectl_json(&["-n", "kube-system", "get", "pods"])?;
        let ready = |pod: &&Value| healthy(pod) || pod["status"]["phase"] == "Succeeded";
        let not: Vec<_> = list["items"].as_array().context("pods")?.iter().filter(|pod| !ready(pod)).collect();
        ensure!(not.is_empty(), "{:?}", not.iter().map(|pod| &pod["metadata"]["name"]).collect::<Vec<_>>());
        Ok(())
    })
}

fn healthy(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Looks again and again at an application's pods and at who is cordoned, through the address for all: a watch would not outlive the API
/// server that it hangs on.
pub(crate) struct UpgradeWatch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// The worst that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The fewest healthy pods.
    pub(crate) healthy: usize,
    /// The most workers that were cordoned or not ready at a time.
    pub(crate) workers_away: usize,
    /// The same of masters.
    pub(crate) masters_away: usize,
    /// How often it could look.
    pub(crate) looks: usize,
}

impl UpgradeWatch {
    /// Begins to look. `cordoned` is a node that somebody has cordoned beforehand, which does not count.
    pub(crate) fn begin(lab: &Lab, namespace: &str, cordoned: Option<&str>) -> Result<Self> {
        let client = Client::new(&lab.shape().endpoint(), &administrator(lab)?)?;
        let masters = lab.masters().iter().map(|host| host.name().to_owned()).collect();
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let (over, foreign) = (Arc::<AtomicBool>::default(), cordoned.map(str::to_owned));
        let ends = Arc::clone(&over);
        let looks = Looks { client, pods, masters, foreign };
        Ok(Self { over, thread: Some(thread::spawn(move || looks.all(&ends))) })
    }

    /// Ends it.
    pub(crate) fn worst(mut self) -> Result<Seen> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("the watch was ended before"))?;
        let seen = thread.join().map_err(|_| anyhow!("the watch panicked"))?;
        println!("       {seen:?}");
        ensure!(seen.looks > 10, "it could hardly look: {seen:?}");
        Ok(seen)
    }
}

impl Drop for UpgradeWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

struct Looks {
    client: Client,
    pods: String,
    masters: Vec<String>,
    foreign: Option<String>,
}

impl Looks {
    fn all(mut self, over: &AtomicBool) -> Seen {
        let mut worst = Seen { healthy: usize::MAX, workers_away: 0, masters_away: 0, looks: 0 };
        while !over.load(Ordering::Relaxed) {
            if let Some((healthy, masters, workers)) = self.once() {
                worst.healthy = worst.healthy.min(healthy);
                worst.masters_away = worst.masters_away.max(masters);
                worst.workers_away = worst.workers_away.max(workers);
                worst.looks += 1;
            }
            thread::sleep(PERIOD);
        }
        worst
    }

    /// None while nobody answers.
    fn once(&mut self) -> Option<(usize, usize, usize)> {
        let pods = list(&mut self.client, &self.pods)?;
        let nodes = list(&mut self.client, "/api/v1/nodes")?;
        let healthy = pods.iter().filter(|pod| healthy(pod)).count();
        let away = nodes.iter().filter(|node| is_away(node)).filter_map(|node| node["metadata"]["name"].as_str());
        let away = away.filter(|name| self.foreign.as_deref() != Some(*name));
        let (masters, workers): (Vec<_>, Vec<_>) =
            away.partition(|name| self.masters.iter().any(|master| master == name));
        Some((healthy, masters.len(), workers.len()))
    }
}

fn is_away(node: &Value) -> bool {
    let ready = node["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Ready" && one["status"] == "True");
    !ready || node["spec"]["unschedulable"] == true
}

fn list(client: &mut Client, path: &str) -> Option<Vec<Value>> {
    let reply = client.ask("GET", path, "").ok()?;
    let said: Value = serde_json::from_str(&reply.body).ok()?;
    said["items"].as_array().filter(|_| reply.status == 200).cloned()
}

/// How often kubeadm was asked to upgrade on a host.
pub(crate) fn upgrades(host: &Host) -> Result<usize> {
    let calls = host.kubeadm_calls()?;
    let real = |argv: &[String]| {
        argv.first().is_some_and(|verb| verb == "upgrade") && argv.get(1).is_some_and(|verb| verb != "plan")
    };
    Ok(calls.iter().filter(|call| real(&call.argv)).count())
}

/// Checks that nothing of an upgrade has begun: all nodes at the release they had, no kubeadm called for it, nobody cordoned.
pub(crate) fn nothing_was_upgraded(lab: &Lab) -> Result<()> {
    for host in lab.nodes() {
        node_is_at(lab, &host, lab.shape().release)?;
        let times = upgrades(&host)?;
        ensure!(times == 0, "kubeadm was asked to upgrade {} {times} times", host.name());
    }
    let cordoned = lab.kubectl(&["get", "nodes", "--field-selector", "spec.unschedulable=true", "-o", "name"])?;
    ensure!(cordoned.trim().is_empty(), "{} is cordoned", cordoned.trim());
    ensure!(lab.nodes().iter().any(|host| host.role() == Role::Master), "a lab has a master");
    Ok(())
}
