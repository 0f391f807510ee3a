//! Makes one kubeadm cluster of prepared hosts, as the public documentation says to: init, network add-on, joins.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::each::each;
use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::node;
use crate::progress::step;
use crate::shape::{Role, Shape, VIP};

const INIT: &str = include_str!("../assets/init.yaml");
const NETWORK: &str = include_str!("../assets/network.yaml");
const AUDIT_POLICY: &str = include_str!("../assets/audit-policy.yaml");
/// Secrets of a cluster that nothing outside this machine can reach and that lives for a test; both are deleted after the last join.
const TOKEN: &str = "labjoi.0123456789abcdef";
const CERTIFICATE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// By name and never `all`: these three are true of a container on a small machine.
pub(crate) const IGNORED: &str = "--ignore-preflight-errors=SystemVerification,Mem,NumCPU";
const READY: Duration = Duration::from_mins(3);

/// Makes the cluster and waits until all of it is ready.
pub(crate) fn make(lab: &Lab) -> Result<()> {
    let shape = lab.shape();
    let nodes = lab.nodes();
    let of = |role| nodes.iter().filter(|host| host.role() == role).cloned().collect::<Vec<Host>>();
    let (masters, workers) = (of(Role::Master), of(Role::Worker));
    let [first, others @ ..] = masters.as_slice() else { bail!("a cluster needs a master") };
    step("packages and images", || each(&nodes, |host| node::prepare(host, shape.release, lab.built())))?;
    step(&format!("kubeadm init on {}", first.name()), || init(first, shape))?;
    step("kubeadm join of workers", || each(&workers, |host| join(host, shape, &[])))?;
    for master in others {
        step(&format!("kubeadm join of {}", master.name()), || join_master(master, shape))?;
    }
    step("all nodes ready, DNS up", || wait_ready(lab))?;
    forget_secrets(lab)
}

fn init(first: &Host, shape: Shape) -> Result<()> {
    lay_audit_policy(first)?;
    let values = [
        ("@ADDRESS@", first.address()),
        ("@ENDPOINT@", shape.endpoint()),
        ("@VERSION@", shape.release.version().to_owned()),
        ("@TOKEN@", TOKEN.to_owned()),
        ("@CERTIFICATE_KEY@", CERTIFICATE_KEY.to_owned()),
    ];
    let config = values.iter().fold(INIT.to_owned(), |text, (name, value)| text.replace(name, value));
    first.write_file("/root/init.yaml", "0600", config)?;
    if shape.masters == 1 {
        first.run_ok(&["kubeadm", "init", "--config", "/root/init.yaml"])?;
    } else {
        // keepalived keeps the address from a host without an API server, and init wants the address first: it is lent by hand.
        let lent = format!("{VIP}/32");
        first.run_ok(&["ip", "addr", "add", &lent, "dev", "host0"])?;
        first.run_ok(&["kubeadm", "init", "--config", "/root/init.yaml", "--upload-certs"])?;
        first.run_ok(&["ip", "addr", "del", &lent, "dev", "host0"])?;
        start_keepalived(first)?;
    }
    eventually("the API server", READY, || first.run_ok(&["kubectl", "get", "--raw", "/readyz"]))?;
    first.write_file("/root/network.yaml", "0644", NETWORK)?;
    first.run_ok(&["kubectl", "apply", "-f", "/root/network.yaml"])?;
    Ok(())
}

fn join(host: &Host, shape: Shape, more: &[&str]) -> Result<()> {
    let endpoint = format!("{}:6443", shape.endpoint());
    let words =
        ["kubeadm", "join", &endpoint, "--token", TOKEN, "--discovery-token-unsafe-skip-ca-verification", IGNORED];
    host.run_ok(&[&words[..], more].concat()).map(|_| ())
}

fn join_master(host: &Host, shape: Shape) -> Result<()> {
    lay_audit_policy(host)?;
    let address = host.address();
    let more = ["--control-plane", "--certificate-key", CERTIFICATE_KEY, "--apiserver-advertise-address", &address];
    join(host, shape, &more)?;
    start_keepalived(host)
}

fn lay_audit_policy(host: &Host) -> Result<()> {
    host.write_file("/etc/kubernetes/audit/policy.yaml", "0600", AUDIT_POLICY)
}

fn start_keepalived(host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "--quiet", "enable", "--now", "keepalived"]).map(|_| ())
}

/// Waits until every host is a ready node and the add-ons have rolled out.
pub(crate) fn wait_ready(lab: &Lab) -> Result<()> {
    let want = lab.nodes().len();
    eventually("all nodes to be registered", READY, || {
        let listed = lab.kubectl(&["get", "nodes", "-o", "name"])?.lines().count();
        ensure!(listed == want, "{listed} of {want} are");
        Ok(())
    })?;
    lab.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s"])?;
    lab.kubectl(&[
        "-n",
        "lab-network",
        "rollout",
        "status",
        "daemonset/bridge",
        "daemonset/addressed",
        "--timeout=180s",
    ])?;
    lab.kubectl(&[
        "-n",
        "kube-system",
        "rollout",
        "status",
        "deployment/coredns",
        "daemonset/kube-proxy",
        "--timeout=180s",
    ])?;
    Ok(())
}

/// What was needed to make the cluster must not be found by a test that looks for what Slipway left behind.
fn forget_secrets(lab: &Lab) -> Result<()> {
    let list = lab.kubectl(&["-n", "kube-system", "get", "secrets", "-o", "name"])?;
    let ours = |name: &&str| name.contains("/bootstrap-token-") || name.ends_with("/kubeadm-certs");
    for secret in list.lines().filter(ours) {
        lab.kubectl(&["-n", "kube-system", "delete", "--ignore-not-found", secret])?;
    }
    Ok(())
}
