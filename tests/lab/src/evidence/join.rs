//! How a join must end, whatever happened on its way: a node in full, and nothing of the join itself left, neither in the cluster nor on the
//! host. What it was like before is kept, since "nothing left" means "as before".

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::eventually::eventually;
use crate::evidence::{firewall, host_traces, members_now};
use crate::host::Host;
use crate::lab::Lab;
use crate::release::Release;
use crate::scene::{wait_is_master, wait_serves};
use crate::shape::Etcd;

/// What a cluster has that a join could leave something among.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    secrets: Vec<String>,
    open_requests: Vec<String>,
    namespaces: Vec<String>,
    /// Roles and bindings come and go with namespaces; pods of no controller are canaries or somebody's.
    loose_pods: Vec<String>,
    members: Vec<String>,
}

impl Counted {
    /// As it is now.
    fn now(lab: &Lab) -> Result<Self> {
        let members = match lab.shape().etcd {
            Etcd::Stacked => members_now(lab)?.into_iter().map(|one| format!("{} {}", one.name, one.learner)).collect(),
            Etcd::External => Vec::new(),
        };
        Ok(Self {
            secrets: names(lab, "secrets", |_| true)?,
            open_requests: names(lab, "certificatesigningrequests", is_open)?,
            namespaces: names(lab, "namespaces", |_| true)?,
            loose_pods: names(lab, "pods", is_loose)?,
            members,
        })
    }

    /// Checks that all is as it was.
    fn is_as_before(&self, lab: &Lab) -> Result<()> {
        eventually("the cluster to be as it was", Duration::from_secs(20), || {
            let now = Self::now(lab)?;
            ensure!(now == *self, "there was {self:#?} and is {now:#?}");
            Ok(())
        })
    }
}

fn is_open(item: &Value) -> bool {
    item["status"]["conditions"].as_array().is_none_or(Vec::is_empty)
}

fn is_loose(item: &Value) -> bool {
    item["metadata"]["ownerReferences"].as_array().is_none_or(Vec::is_empty)
}

fn names(lab: &Lab, kind: &str, which: impl Fn(&Value) -> bool) -> Result<Vec<String>> {
    let list = lab.kubectl_json(&["get", kind, "--all-namespaces"])?;
    let items = list["items"].as_array().with_context(|| format!("a list of {kind}"))?;
    let name = |item: &Value| format!("{}/{}", item["metadata"]["namespace"], item["metadata"]["name"]);
    let mut names: Vec<String> = items.iter().filter(|item| which(item)).map(name).collect();
    names.sort();
    Ok(names)
}

/// What is kept from before a join.
pub(crate) struct Joining<'a> {
    lab: &'a Lab,
    host: &'a Host,
    release: Release,
    counted: Counted,
    foreign_rules: Vec<String>,
    joins: usize,
    /// Of kubeadm, whatever for.
    calls: usize,
}

impl<'a> Joining<'a> {
    /// Looks at the cluster and at the host before it joins: one that nothing is left on.
    pub(crate) fn ahead(lab: &'a Lab, host: &'a Host) -> Result<Self> {
        nothing_is_left(host).context("before the join")?;
        Ok(Self {
            lab,
            host,
            release: lab.shape().release,
            counted: Counted::now(lab)?,
            foreign_rules: firewall::foreign(host)?,
            joins: joins(host)?,
            calls: host.kubeadm_calls()?.len(),
        })
    }

    /// Checks that it is a worker in full.
    pub(crate) fn made_a_worker(&self) -> Result<()> {
        self.made_a_node()?;
        self.counted.is_as_before(self.lab)
    }

    /// Checks that it is a master in full: one that votes, serves, and is asked by others.
    pub(crate) fn made_a_master(&self) -> Result<()> {
        self.made_a_node()?;
        wait_is_master(self.lab, self.host)?;
        let pods = self.lab.kubectl(&["-n", "kube-system", "get", "pods", "-o", "name"])?;
        for component in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            let name = format!("pod/{component}-{}", self.host.name());
            ensure!(pods.lines().any(|pod| pod == name), "there is no {name}");
        }
        let mut wanted = self.counted.clone();
        wanted.members.push(format!("{} false", self.host.name()));
        let sorted = |mut all: Counted| {
            all.members.sort();
            all
        };
        let now = sorted(Counted::now(self.lab)?);
        ensure!(now == sorted(wanted.clone()), "there should be {wanted:#?} and is {now:#?}");
        Ok(())
    }

    /// Checks that the join was taken back, or never begun: nothing is left of it anywhere, and no kubeadm was asked to join if `untouched`.
    pub(crate) fn left_nothing(&self, untouched: bool) -> Result<()> {
        let nodes = self.lab.kubectl(&["get", "nodes", "-o", "name"])?;
        ensure!(!nodes.lines().any(|node| node == format!("node/{}", self.host.name())), "the Node is there");
        self.counted.is_as_before(self.lab)?;
        nothing_is_left(self.host)?;
        ensure!(firewall::foreign(self.host)? == self.foreign_rules, "rules of the firewall have changed");
        if untouched {
            let joins = joins(self.host)? - self.joins;
            ensure!(joins == 0, "kubeadm was asked to join {joins} times");
        }
        Ok(())
    }

    fn made_a_node(&self) -> Result<()> {
        let (name, version) = (self.host.name(), self.release.version());
        wait_serves(self.lab, self.host)?;
        let kubelet = self.lab.kubectl(&["get", "node", name, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}"])?;
        ensure!(kubelet == format!("v{version}"), "the kubelet of {name} is {kubelet}");
        let cordoned = self.lab.kubectl(&["get", "node", name, "-o", "jsonpath={.spec.unschedulable}"])?;
        ensure!(cordoned.is_empty(), "{name} is cordoned");
        installed(self.host, self.release)?;
        self.host.run_ok(&["test", "-s", "/etc/kubernetes/kubelet.conf"])?;
        self.host.run_ok(&["test", "-L", "/var/lib/kubelet/pki/kubelet-client-current.pem"])?;
        ensure!(!self.host.has_path("/etc/kubernetes/bootstrap-kubelet.conf")?, "the bootstrap credentials are left");
        eventually("DNS to answer there", Duration::from_secs(30), || {
            self.host.resolve_in_cluster("kubernetes.default.svc.cluster.local")
        })?;
        let said = self.lab.enrolled(name)?.context("it is enrolled")?;
        ensure!(said["state"] == "in-service", "the host is {}", said["state"]);
        no_secret_was_shown(self.lab, self.host, self.calls)
    }
}

/// Checks that a host is none of a cluster's any more; one that never was has no kubelet to be masked.
fn nothing_is_left(host: &Host) -> Result<()> {
    let left: Vec<String> =
        host_traces(host, &[])?.into_iter().filter(|line| !line.starts_with("kubelet is-enabled")).collect();
    ensure!(left.is_empty(), "Kubernetes has left on {}: {left:#?}", host.name());
    let etcd = host.run(&["ls", "-A", "/var/lib/etcd"])?.stdout;
    ensure!(etcd.trim().is_empty(), "etcd has left on {}: {etcd}", host.name());
    Ok(())
}

/// Checks that exactly this release is installed and that no other can slip in.
pub(crate) fn installed(host: &Host, release: Release) -> Result<()> {
    let held = host.run_ok(&["apt-mark", "showhold"])?;
    for package in ["kubelet", "kubeadm", "kubectl"] {
        let version =
            host.run_ok(&["dpkg-query", "--show", "--showformat", "${Version}|${db:Status-Status}", package])?;
        let wanted = format!("{}|installed", release.package_version());
        ensure!(version == wanted, "{package} on {} is {version}, not {wanted}", host.name());
        ensure!(held.lines().any(|line| line == package), "{package} is not held on {}: {held}", host.name());
    }
    Ok(())
}

/// How often kubeadm was asked to join.
pub(crate) fn joins(host: &Host) -> Result<usize> {
    let is_join = |argv: &[String]| argv.first().is_some_and(|verb| verb == "join");
    Ok(host.kubeadm_calls()?.iter().filter(|call| is_join(&call.argv)).count())
}

/// No token and no certificate key stands among a command's words, where any user of the host could read it, nor in a log.
fn no_secret_was_shown(lab: &Lab, host: &Host, before: usize) -> Result<()> {
    for call in host.kubeadm_calls()?.iter().skip(before) {
        let shown = call.argv.iter().find(|word| is_token(word) || is_key(word));
        ensure!(shown.is_none(), "kubeadm was called with a secret for all to see: {:?}", call.argv);
    }
    for (of, unit) in [(host, "slipway-agent"), (lab.coordinator()?, "slipway-coordinator")] {
        let log = of.run_ok(&["journalctl", "--no-pager", "--output=cat", "--unit", unit])?;
        let words = log.split(|of: char| !(of.is_ascii_alphanumeric() || of == '.'));
        let shown = words.into_iter().filter(|word| is_token(word)).count();
        ensure!(shown == 0, "a token stands in the log of {unit} on {}", of.name());
    }
    Ok(())
}

/// `abcdef.0123456789abcdef`
fn is_token(word: &str) -> bool {
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let parts = word.split_once('.');
    parts.is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && plain(id) && plain(secret))
}

/// 32 bytes in hexadecimal, and no hash of something public.
fn is_key(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_form() {
        assert!(is_token("abcdef.0123456789abcdef"));
        assert!(!is_token("kubelet.0123456789abcdef") && !is_token("sha256:abc"));
        assert!(is_key(&"0f".repeat(32)) && !is_key(&format!("sha256:{}", "0f".repeat(32))));
    }
}
