//! One drain, by either of the two, as an operator would call it: timed from the start of the command to its end.

use std::process::Child;
use std::time::Instant;

use anyhow::{Result, ensure};

use super::audit::Window;
use super::site::NAMESPACE;
use crate::command::Output;
use crate::evidence::Moment;
use crate::install::COORDINATOR;
use crate::lab::Lab;

/// Who drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// `slipway node drain`, led by the coordinator.
    Ours,
    /// `kubectl drain`.
    Peer,
}

impl Who {
    /// As progress is told.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Peer => "kubectl",
        }
    }

    /// Whether a request of the audit log is one of its own. The lab's own hands have kubectl's credentials, but another program.
    fn asked(self, user: &str, program: &str) -> bool {
        match self {
            Self::Ours => user == COORDINATOR,
            Self::Peer => program.starts_with("kubectl/"),
        }
    }
}

/// A drain at work.
pub(super) struct Drain<'a> {
    lab: &'a Lab,
    who: Who,
    nodes: Vec<String>,
    from: Moment,
    begun: Instant,
    child: Child,
}

/// How a drain went.
pub(super) struct Drained {
    pub(super) seconds: f64,
    /// What was asked for meanwhile.
    pub(super) window: Window,
}

impl<'a> Drain<'a> {
    /// Begins it.
    pub(super) fn begin(lab: &'a Lab, who: Who, nodes: &[&str]) -> Result<Self> {
        let many = nodes.len().to_string();
        let (host, words) = match who {
            Who::Ours => {
                (lab.coordinator()?, [&["slipway", "node", "drain"][..], nodes, &["--yes", "--budget", &many]].concat())
            }
            Who::Peer => (lab.master()?, [&["kubectl", "drain"][..], nodes, &["--ignore-daemonsets"]].concat()),
        };
        let (from, nodes) = (Moment::now(lab)?, nodes.iter().map(|node| (*node).to_owned()).collect());
        let begun = Instant::now();
        Ok(Self { lab, who, nodes, from, begun, child: host.spawn(&words)? })
    }

    /// Waits for its end, and puts the nodes back into service.
    pub(super) fn ended(self) -> Result<Drained> {
        let output = Output::from(self.child.wait_with_output()?);
        let seconds = self.begun.elapsed().as_secs_f64();
        ensure!(output.is_ok(), "{} failed to drain {}: {output}", self.who.name(), self.nodes.join(", "));
        let to = Moment::now(self.lab)?;
        let nodes: Vec<&str> = self.nodes.iter().map(String::as_str).collect();
        // Whoever says too soon that all are gone must not win by that.
        left_nothing(self.lab, self.who, &nodes)?;
        match self.who {
            Who::Ours => self.lab.slipway(&[&["node", "recover"][..], &nodes, &["--yes"]].concat())?.ok()?,
            Who::Peer => self.lab.kubectl(&[&["uncordon"][..], &nodes].concat()).map(|_| ())?,
        }
        let window =
            Window::of(self.from.audit_until(self.lab, &to)?, |entry| self.who.asked(&entry.user, &entry.agent));
        Ok(Drained { seconds, window })
    }
}

fn left_nothing(lab: &Lab, who: Who, nodes: &[&str]) -> Result<()> {
    for node in nodes {
        let there = format!("spec.nodeName={node}");
        let left = lab.kubectl(&["-n", NAMESPACE, "get", "pods", "--field-selector", &there, "-o", "name"])?;
        ensure!(left.is_empty(), "{} has left on {node}: {left}", who.name());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labs_own_requests_are_nobodys() {
        let kubectl = "kubectl/v1.33.13 (linux/amd64)";
        assert!(Who::Peer.asked("kubernetes-admin", kubectl) && !Who::Peer.asked("kubernetes-admin", "lab"));
        assert!(Who::Ours.asked(COORDINATOR, "slipway") && !Who::Ours.asked("kubernetes-admin", kubectl));
    }
}
