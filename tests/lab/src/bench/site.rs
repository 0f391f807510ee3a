//! The place of a measured drain: a namespace of its own, pods laid where they are wanted, and a look at them that costs the API server little.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::eventually::eventually;
use crate::https::Client;
use crate::lab::Lab;
use crate::scene::administrator;

pub(super) const NAMESPACE: &str = "bench";
const PINNED: &str = include_str!("../../assets/bench-pinned.yaml");
const REPLACED: &str = include_str!("../../assets/bench-replaced.yaml");
const BUDGET: &str = include_str!("../../assets/bench-budget.yaml");
/// Until pods run, or are gone, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks where time is taken.
const TICK: Duration = Duration::from_millis(10);
/// The cluster's name servers take five seconds to end. On the master they are in no drain's way.
const NAMES_ON_MASTER: &str =
    r#"{"spec":{"template":{"spec":{"nodeSelector":{"node-role.kubernetes.io/control-plane":""}}}}}"#;

/// Pods of one kind.
#[derive(Clone, Debug)]
pub(super) struct Pods {
    pub(super) name: String,
    pub(super) count: usize,
    /// That they take to end, or their successors to be ready.
    pub(super) seconds: u32,
}

/// The place.
pub(super) struct Site<'a> {
    pub(super) lab: &'a Lab,
    client: Client,
}

impl<'a> Site<'a> {
    /// Makes it. The cluster is not what it was, so nobody else gets it.
    pub(super) fn open(lab: &'a Lab) -> Result<Self> {
        lab.spend()?;
        lab.kubectl(&["create", "namespace", NAMESPACE])?;
        let names = ["-n", "kube-system", "patch", "deployment", "coredns", "--type=merge", "-p", NAMES_ON_MASTER];
        lab.kubectl(&names)?;
        lab.kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s"])?;
        Ok(Self { lab, client: Client::new(&lab.shape().endpoint(), &administrator(lab)?)? })
    }

    /// Leaves nothing of it.
    pub(super) fn close(self) -> Result<()> {
        self.lab.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).map(|_| ())
    }

    /// Starts pods that stay on a node, and waits until they run.
    pub(super) fn pin(&mut self, pods: &Pods, node: &str) -> Result<()> {
        self.apply(&filled(PINNED, pods).replace("@NODE@", node))?;
        self.run_on(pods, node)
    }

    /// Starts pods that may run anywhere.
    pub(super) fn start(&self, pods: &Pods) -> Result<()> {
        self.apply(&filled(REPLACED, pods))
    }

    /// Sets how many of the pods may be missing at a time.
    pub(super) fn budget(&self, pods: &Pods, missing: usize) -> Result<()> {
        self.apply(&filled(BUDGET, pods).replace("@MISSING@", &missing.to_string()))
    }

    fn apply(&self, manifest: &str) -> Result<()> {
        self.lab.master()?.write_file("/root/bench.yaml", "0644", manifest)?;
        self.lab.kubectl(&["apply", "-f", "/root/bench.yaml"]).map(|_| ())
    }

    /// Takes them away, and waits until they are gone.
    pub(super) fn remove(&self, pods: &Pods) -> Result<()> {
        let words = ["-n", NAMESPACE, "delete", "deployment", &pods.name, "--cascade=foreground", "--timeout=120s"];
        self.lab.kubectl(&words).map(|_| ())
    }

    /// Waits until all of them run on that node, and none is ending there.
    pub(super) fn run_on(&mut self, pods: &Pods, node: &str) -> Result<()> {
        eventually(&format!("{} to run on {node}", pods.name), PATIENCE, || {
            let there = self.list(pods, node)?;
            let ready = there.iter().filter(|pod| is_ready(pod)).count();
            ensure!(ready == pods.count && there.len() == ready, "{ready} of {} there are ready", there.len());
            Ok(())
        })
    }

    fn list(&mut self, pods: &Pods, node: &str) -> Result<Vec<Value>> {
        let query = format!("{}&fieldSelector=spec.nodeName%3D{node}", selector(pods));
        let list = self.get(&format!("/api/v1/namespaces/{NAMESPACE}/pods?{query}"))?;
        Ok(list["items"].as_array().context("a list of pods")?.clone())
    }

    fn get(&mut self, path: &str) -> Result<Value> {
        let reply = self.client.ask("GET", path, "")?;
        ensure!(reply.status == 200, "{path}: {}: {:.200}", reply.status, reply.body);
        Ok(serde_json::from_str(&reply.body)?)
    }

    /// Seconds that these pods take to end where one request ends all of a kind: no drain can be done sooner.
    pub(super) fn end_of_all(&mut self, all: &[(&str, Pods)]) -> Result<f64> {
        let nodes: Vec<&str> = all.iter().map(|(node, _)| *node).collect();
        self.lab.kubectl(&[&["cordon"][..], &nodes].concat())?;
        let begun = Instant::now();
        all.iter().try_for_each(|(_, pods)| self.end(pods))?;
        for (node, pods) in all {
            while !self.list(pods, node)?.is_empty() {
                ensure!(begun.elapsed() < PATIENCE, "{} do not end", pods.name);
                tick();
            }
        }
        let taken = begun.elapsed().as_secs_f64();
        self.lab.kubectl(&[&["uncordon"][..], &nodes].concat())?;
        Ok(taken)
    }

    /// Ends all of them.
    pub(super) fn end(&mut self, pods: &Pods) -> Result<()> {
        self.delete(&format!("/api/v1/namespaces/{NAMESPACE}/pods?{}", selector(pods)))
    }

    /// Ends one of them.
    pub(super) fn end_one(&mut self, pods: &Pods) -> Result<()> {
        let list = self.get(&format!("/api/v1/namespaces/{NAMESPACE}/pods?{}", selector(pods)))?;
        let all = list["items"].as_array().context("a list of pods")?;
        let one = all.iter().find(|pod| is_ready(pod)).context("none of the pods is ready")?;
        let name = one["metadata"]["name"].as_str().context("a pod has a name")?;
        self.delete(&format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}"))
    }

    fn delete(&mut self, path: &str) -> Result<()> {
        let reply = self.client.ask("DELETE", path, "")?;
        ensure!(reply.status == 200, "{path}: {}: {:.200}", reply.status, reply.body);
        Ok(())
    }

    /// How many of the pods their budget lets go now.
    pub(super) fn allowed(&mut self, pods: &Pods) -> Result<u64> {
        let status = self.get(&format!("/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{}", pods.name))?;
        status["status"]["disruptionsAllowed"].as_u64().context("a budget that was never counted")
    }

    /// Waits until the budget counts all pods as healthy, and lets so many go.
    pub(super) fn counted(&mut self, pods: &Pods, allowed: u64) -> Result<()> {
        let path = format!("/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/{}", pods.name);
        eventually(&format!("the budget of {} to let {allowed} go", pods.name), PATIENCE, || {
            let budget = self.get(&path)?;
            let status = &budget["status"];
            ensure!(status["observedGeneration"] == budget["metadata"]["generation"], "it is yet to be counted");
            ensure!(status["currentHealthy"] == pods.count, "it counts {} healthy", status["currentHealthy"]);
            ensure!(status["disruptionsAllowed"] == allowed, "it lets {} go", status["disruptionsAllowed"]);
            Ok(())
        })
    }

    /// Waits until so many of them are left on the node.
    pub(super) fn left_on(&mut self, pods: &Pods, node: &str, count: usize) -> Result<()> {
        eventually(&format!("{count} of {} to be left on {node}", pods.name), PATIENCE, || {
            let left = self.list(pods, node)?.len();
            ensure!(left == count, "{left} are");
            Ok(())
        })
    }

    /// Waits until a drain has cordoned the node.
    pub(super) fn is_cordoned(&mut self, node: &str) -> Result<()> {
        eventually(&format!("{node} to be cordoned"), PATIENCE, || {
            let seen = self.get(&format!("/api/v1/nodes/{node}"))?;
            ensure!(seen["spec"]["unschedulable"] == true, "it is not");
            Ok(())
        })
    }

    /// Lets pods be placed on this worker alone.
    pub(super) fn keep_others_free(&self, node: &str) -> Result<()> {
        self.others("cordon", node)
    }

    /// Lets pods be placed on the others again.
    pub(super) fn let_others_serve(&self, node: &str) -> Result<()> {
        self.others("uncordon", node)
    }

    fn others(&self, verb: &str, node: &str) -> Result<()> {
        let workers: Vec<String> = self.lab.nodes().iter().map(|host| host.name().to_owned()).collect();
        let others = workers.iter().map(String::as_str).filter(|name| name.starts_with('w') && *name != node);
        self.lab.kubectl(&[verb].into_iter().chain(others).collect::<Vec<_>>()).map(|_| ())
    }
}

/// Lets a moment pass between two looks.
pub(super) fn tick() {
    std::thread::sleep(TICK);
}

fn selector(pods: &Pods) -> String {
    format!("labelSelector=app%3D{}", pods.name)
}

fn filled(manifest: &str, pods: &Pods) -> String {
    manifest
        .replace("@NAME@", &pods.name)
        .replace("@COUNT@", &pods.count.to_string())
        .replace("@SECONDS@", &pods.seconds.to_string())
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let ready = conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
    ready && pod["metadata"]["deletionTimestamp"].is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_that_is_ending_is_not_ready_whatever_its_condition_says() {
        let ready = json!({"type": "Ready", "status": "True"});
        assert!(is_ready(&json!({"metadata": {}, "status": {"conditions": [ready]}})));
        let ending = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert!(!is_ready(&json!({"metadata": ending, "status": {"conditions": [ready]}})));
        assert!(!is_ready(&json!({"metadata": {}})));
    }

    #[test]
    fn a_manifest_is_filled_to_the_last_place() {
        let pods = Pods { name: "web".to_owned(), count: 3, seconds: 2 };
        let pinned = filled(PINNED, &pods).replace("@NODE@", "w1");
        let all = [pinned, filled(REPLACED, &pods), filled(BUDGET, &pods).replace("@MISSING@", "1")];
        assert!(all.iter().all(|manifest| !manifest.contains('@')));
    }
}
