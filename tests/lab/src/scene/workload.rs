//! A small shop: the kinds of pods that a drain tells apart, with a budget that it has to keep to. Made of images that the lab has
//! for its own purposes.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;

const MANIFEST: &str = include_str!("../../assets/shop.yaml");
/// Its namespace.
pub(crate) const SHOP: &str = "shop";
const NODE_PORT: u16 = 30080;

/// Something that serves and that the lab has: the cluster's own DNS server.
pub(crate) fn server_image(lab: &Lab) -> Result<String> {
    let image = "jsonpath={.spec.template.spec.containers[0].image}";
    let said = lab.kubectl(&["-n", "kube-system", "get", "deployment", "coredns", "-o", image])?;
    Ok(said.trim().to_owned())
}

/// The shop, open.
pub(crate) struct Workload<'a> {
    lab: &'a Lab,
}

impl<'a> Workload<'a> {
    /// Opens it and waits until all of it runs, some of it on every worker.
    pub(crate) fn open(lab: &'a Lab) -> Result<Self> {
        let image = server_image(lab)?;
        lab.master()?.write_file("/root/shop.yaml", "0644", MANIFEST.replace("@COREDNS@", &image))?;
        lab.kubectl(&["apply", "-f", "/root/shop.yaml"])?;
        let shop = Self { lab };
        for what in ["deployment/web", "daemonset/probe", "deployment/cache"] {
            lab.kubectl(&["-n", SHOP, "rollout", "status", what, "--timeout=90s"])?;
        }
        lab.kubectl(&["-n", SHOP, "wait", "--for=condition=Ready", "pod/loner", "--timeout=60s"])?;
        eventually("the budget to count six healthy pods", Duration::from_secs(20), || {
            let budget = lab.kubectl_json(&["-n", SHOP, "get", "pdb", "web"])?;
            ensure!(budget["status"]["currentHealthy"] == 6, "it counts {}", budget["status"]["currentHealthy"]);
            Ok(())
        })?;
        Ok(shop)
    }

    /// Names of the pods with this label on a node.
    pub(crate) fn pods_on(&self, app: &str, node: &str) -> Result<Vec<String>> {
        let (label, field) = (format!("app={app}"), format!("spec.nodeName={node}"));
        let list =
            self.lab.kubectl(&["-n", SHOP, "get", "pods", "-l", &label, "--field-selector", &field, "-o", "name"])?;
        Ok(list.lines().map(|line| line.trim_start_matches("pod/").to_owned()).collect())
    }

    /// Lets this many pods of the Deployment be missing at a time.
    pub(crate) fn allow(&self, missing: u32) -> Result<()> {
        let patch = format!(r#"{{"spec":{{"maxUnavailable":{missing}}}}}"#);
        self.lab.kubectl(&["-n", SHOP, "patch", "pdb", "web", "--type=merge", "-p", &patch]).map(|_| ())
    }

    /// Asks the shop by a host's NodePort.
    pub(crate) fn answers_at(&self, host: &Host) -> Result<()> {
        let address = format!("http://{}:{NODE_PORT}/health", host.address());
        let said = self.lab.coordinator()?.run(&["curl", "--silent", "--max-time", "2", &address])?;
        ensure!(said.stdout.trim() == "OK", "{address}: {said}");
        Ok(())
    }

    /// Waits until the shop answers there.
    pub(crate) fn wait_answers_at(&self, host: &Host) -> Result<()> {
        eventually(&format!("the shop at {}", host.name()), Duration::from_secs(30), || self.answers_at(host))
    }

    /// Closes it and waits until nothing of it is left.
    pub(crate) fn close(self) -> Result<()> {
        self.lab.kubectl(&["delete", "namespace", SHOP, "--timeout=120s"]).context("close the shop").map(|_| ())
    }
}
