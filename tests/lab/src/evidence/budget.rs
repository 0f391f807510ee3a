//! Watches every change of a Deployment's pods, from before a removal until after it. The API server sends all changes of one kind in
//! their true order, so the lowest number of healthy pods that is found in them is the lowest there ever was.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;

const UNIT: &str = "lab-pod-watch";
const LINE: &str = r#"jsonpath={.type}|{.object.metadata.name}|{.object.metadata.deletionTimestamp}|{.object.status.conditions[?(@.type=="Ready")].status}{"\n"}"#;

/// A watch that runs as a unit of the master's, so that it outlives nothing and is left by nothing.
pub(crate) struct PodWatch<'a> {
    master: &'a Host,
    /// One for each label, so that several can run.
    unit: String,
}

impl<'a> PodWatch<'a> {
    /// Begins to watch the pods with a label, and waits until as many are healthy.
    pub(crate) fn begin(lab: &'a Lab, namespace: &str, label: &str, healthy: usize) -> Result<Self> {
        let unit = format!("{UNIT}-{}", label.replace('=', "-"));
        let watch = Self { master: lab.master()?, unit };
        watch.master.run(&["systemctl", "stop", &watch.unit])?;
        watch.master.run_ok(&["rm", "-f", &watch.file()])?;
        let unit = format!("--unit={}", watch.unit);
        let output = format!("--property=StandardOutput=truncate:{}", watch.file());
        let kubectl =
            ["kubectl", "-n", namespace, "get", "pods", "-l", label, "--watch", "--output-watch-events", "-o", LINE];
        let environment = "--setenv=KUBECONFIG=/etc/kubernetes/admin.conf";
        watch.master.run_ok(
            &[&["systemd-run", "--quiet", "--collect", &unit, &output, environment, "--"], &kubectl[..]].concat(),
        )?;
        eventually("the watch to see all pods", Duration::from_secs(20), || {
            let history = History::of(&watch.text()?)?;
            ensure!(history.now == healthy, "it sees {}", history.now);
            Ok(())
        })?;
        Ok(watch)
    }

    /// The lowest number of healthy pods since then. The watch must have lived all along.
    pub(crate) fn lowest(self) -> Result<usize> {
        self.master.run_ok(&["systemctl", "is-active", &self.unit]).context("the watch broke off")?;
        let text = self.text()?;
        self.master.run_ok(&["systemctl", "stop", &self.unit])?;
        Ok(History::of(&text)?.lowest)
    }

    fn text(&self) -> Result<String> {
        self.master.read_file(&self.file())
    }

    fn file(&self) -> String {
        format!("/run/{}", self.unit)
    }
}

struct History {
    now: usize,
    lowest: usize,
}

impl History {
    /// The first pods come one by one, so the count starts once it has stopped growing at its highest.
    fn of(text: &str) -> Result<Self> {
        let mut healthy: BTreeSet<&str> = BTreeSet::new();
        let mut counts = vec![0];
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let [kind, name, leaving, ready] = line.split('|').collect::<Vec<_>>()[..] else {
                anyhow::bail!("a line of the watch: {line:?}")
            };
            if kind != "DELETED" && leaving.is_empty() && ready == "True" {
                healthy.insert(name);
            } else {
                healthy.remove(name);
            }
            counts.push(healthy.len());
        }
        let highest = counts.iter().max().copied().unwrap_or_default();
        let start = counts.iter().position(|count| *count == highest).unwrap_or_default();
        Ok(Self { now: healthy.len(), lowest: counts[start..].iter().min().copied().unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_point_lies_after_all_were_seen() {
        let text = "ADDED|a||True\nADDED|b||True\nMODIFIED|a|2026-01-01T00:00:00Z|True\nADDED|c||False\nMODIFIED|c||True\nDELETED|a|2026|False\n";
        let history = History::of(text).unwrap();
        assert_eq!((history.now, history.lowest), (2, 1));
    }

    #[test]
    fn a_pod_that_ends_or_is_not_ready_is_not_healthy() {
        assert_eq!(History::of("ADDED|a||True\nADDED|b||\n").unwrap().now, 1);
        assert!(History::of("nonsense\n").is_err());
    }
}
