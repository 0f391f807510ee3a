//! Applications that lie over all workers, each with a budget of its own: what a drain of many nodes has to find its way through.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::PodWatch;
use crate::lab::Lab;
use crate::scene::workload::server_image;

const NAMESPACE: &str = "fleet";
const BASE: &str = include_str!("../../assets/fleet-namespace.yaml");
const ONE: &str = include_str!("../../assets/fleet.yaml");
const APPLICATIONS: [&str; 4] = ["anchor", "beacon", "compass", "davit"];
/// Of each.
const REPLICAS: usize = 8;

/// The applications, running.
pub(crate) struct Fleet<'a> {
    lab: &'a Lab,
}

impl<'a> Fleet<'a> {
    /// Starts them and waits until all their pods are healthy, on all workers.
    pub(crate) fn launch(lab: &'a Lab) -> Result<Self> {
        let image = server_image(lab)?;
        let each = APPLICATIONS.map(|name| ONE.replace("@NAME@", name).replace("@COREDNS@", &image));
        lab.master()?.write_file("/root/fleet.yaml", "0644", format!("{BASE}{}", each.concat()))?;
        lab.kubectl(&["apply", "-f", "/root/fleet.yaml"])?;
        let fleet = Self { lab };
        fleet.wait_whole()?;
        Ok(fleet)
    }

    /// Lays the pods anew over the workers, as they were at first.
    pub(crate) fn spread_again(&self) -> Result<()> {
        self.lab.kubectl(&["-n", NAMESPACE, "delete", "pods", "--all", "--wait=true", "--timeout=60s"])?;
        self.wait_whole()
    }

    /// Watches each application's healthy pods.
    pub(crate) fn watch(&self) -> Result<Vec<PodWatch<'a>>> {
        APPLICATIONS.iter().map(|name| PodWatch::begin(self.lab, NAMESPACE, &format!("app={name}"), REPLICAS)).collect()
    }

    /// How many of its pods lie on these nodes.
    pub(crate) fn on(&self, nodes: &[&str]) -> Result<usize> {
        let list = self.lab.kubectl_json(&["-n", NAMESPACE, "get", "pods"])?;
        let pods = list["items"].as_array().context("a list of pods")?;
        Ok(pods.iter().filter(|pod| nodes.iter().any(|node| pod["spec"]["nodeName"] == *node)).count())
    }

    /// Takes them away.
    pub(crate) fn sink(self) -> Result<()> {
        self.lab.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).map(|_| ())
    }

    fn wait_whole(&self) -> Result<()> {
        eventually("all budgets to count all pods healthy", Duration::from_mins(2), || {
            let list = self.lab.kubectl_json(&["-n", NAMESPACE, "get", "pdb"])?;
            let budgets = list["items"].as_array().context("a list of budgets")?;
            ensure!(budgets.len() == APPLICATIONS.len(), "there are {}", budgets.len());
            for budget in budgets {
                let (name, healthy) = (&budget["metadata"]["name"], &budget["status"]["currentHealthy"]);
                ensure!(*healthy == REPLICAS, "{name} counts {healthy}");
            }
            Ok(())
        })
    }
}

/// Checks that no budget was ever broken: one of each application may be away.
pub(crate) fn budgets_held(watches: Vec<PodWatch<'_>>) -> Result<()> {
    for (watch, name) in watches.into_iter().zip(APPLICATIONS) {
        let lowest = watch.lowest()?;
        ensure!(lowest >= REPLICAS - 1, "{name} was down to {lowest} of {REPLICAS}");
    }
    Ok(())
}
