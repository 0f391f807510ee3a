//! Makes one kubeadm cluster of prepared hosts, as the public documentation says to: init, network add-on, joins.

use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::each::each;
use crate::etcd_unit;
use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::node;
use crate::progress::step;
use crate::shape::{Etcd, Role, Shape, VIP};

const INIT: &str = include_str!("../assets/init.yaml");
/// The configuration of `kubeadm init`, on the first master.
pub(crate) const INIT_FILE: &str = "/root/init.yaml";
const NETWORK: &str = include_str!("../assets/network.yaml");
const AUDIT_POLICY: &str = include_str!("../assets/audit-policy.yaml");
/// Secrets of a cluster that nothing outside this machine can reach and that lives for a test; both are deleted after the last join.
const TOKEN: &str = "labjoi.0123456789abcdef";
const CERTIFICATE_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const IGNORE: &str = "--ignore-preflight-errors=";
/// By name and never `all`: these three are true of a container on a small machine.
pub(crate) const IGNORED: &str = "--ignore-preflight-errors=SystemVerification,Mem,NumCPU";
/// The lab has the etcd that a release was made with, which for 1.33 is older than its kubeadm asks of others.
const OLDER_ETCD: &str = "ExternalEtcdVersion";
const READY: Duration = Duration::from_mins(3);

/// Makes the cluster and waits until all of it is ready.
pub(crate) fn make(lab: &Lab) -> Result<()> {
    let shape = lab.shape();
    let nodes = lab.nodes();
    let of = |role| nodes.iter().filter(|host| host.role() == role).cloned().collect::<Vec<Host>>();
    let (masters, workers) = (of(Role::Master), of(Role::Worker));
    let [first, others @ ..] = masters.as_slice() else { bail!("a cluster needs a master") };
    step("packages and images", || {
        each(&lab.agents(), |host| match host.role() {
            Role::Bare => node::equip(host, lab.built()),
            _ => node::prepare(host, shape.release, lab.built()),
        })
    })?;
    if shape.etcd == Etcd::External {
        etcd_unit::up(&masters, shape)?;
    }
    step(&format!("kubeadm init on {}", first.name()), || init(first, shape))?;
    step("kubeadm join of workers", || each(&workers, |host| join(host, shape, &[])))?;
    for master in others {
        step(&format!("kubeadm join of {}", master.name()), || join_master(master, shape))?;
    }
    step("all nodes ready, DNS up", || wait_ready(lab))?;
    forget_secrets(lab)
}

fn init(first: &Host, shape: Shape) -> Result<()> {
    first.write_file(INIT_FILE, "0600", configuration(first, shape))?;
    let mut words = vec!["kubeadm", "init", "--config", INIT_FILE];
    if shape.masters > 1 {
        words.push("--upload-certs");
    }
    if shape.has_vip() {
        // keepalived keeps the address from a host without an API server, and init wants the address first: it is lent by hand.
        let lent = format!("{VIP}/32");
        first.run_ok(&["ip", "addr", "add", &lent, "dev", "host0"])?;
        first.run_ok(&words)?;
        first.run_ok(&["ip", "addr", "del", &lent, "dev", "host0"])?;
        start_keepalived(first)?;
    } else {
        first.run_ok(&words)?;
    }
    eventually("the API server", READY, || first.run_ok(&["kubectl", "get", "--raw", "/readyz"]))?;
    first.write_file("/root/network.yaml", "0644", NETWORK)?;
    first.run_ok(&["kubectl", "apply", "-f", "/root/network.yaml"])?;
    Ok(())
}

fn configuration(first: &Host, shape: Shape) -> String {
    let etcd = if shape.etcd == Etcd::External { etcd_unit::as_kubeadm_sees_it(shape) } else { String::new() };
    // Where clients know one master only, they can be moved to the address for all as soon as it is there.
    let names = if shape.masters > 1 { VIP } else { "" };
    let ignored = [&[IGNORED.trim_start_matches(IGNORE)], ignored_of(shape)].concat().join(",");
    let values = [
        ("@IGNORED@", ignored.as_str()),
        ("@ADDRESS@", &first.address()),
        ("@ENDPOINT@", &shape.endpoint()),
        ("@VERSION@", shape.release.version()),
        ("@TOKEN@", TOKEN),
        ("@CERTIFICATE_KEY@", CERTIFICATE_KEY),
        ("@ETCD@\n", &etcd),
        ("@SANS@", names),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    values.iter().fold(INIT.to_owned(), |text, (name, value)| text.replace(name, value))
}

fn join(host: &Host, shape: Shape, more: &[&str]) -> Result<()> {
    let endpoint = format!("{}:6443", shape.endpoint());
    let words =
        ["kubeadm", "join", &endpoint, "--token", TOKEN, "--discovery-token-unsafe-skip-ca-verification", IGNORED];
    host.run_ok(&[&words[..], more].concat()).map(|_| ())
}

fn join_master(host: &Host, shape: Shape) -> Result<()> {
    let address = host.address();
    let ignored = ignored_by_masters(shape);
    let mut more = vec!["--control-plane", "--certificate-key", CERTIFICATE_KEY, "--apiserver-advertise-address"];
    more.push(&address);
    more.extend(ignored.iter().map(String::as_str));
    join(host, shape, &more)?;
    if shape.has_vip() { start_keepalived(host) } else { Ok(()) }
}

/// What a master's init or join must overlook besides.
fn ignored_of(shape: Shape) -> &'static [&'static str] {
    if shape.etcd == Etcd::External { &[OLDER_ETCD] } else { &[] }
}

/// The same as words for a join.
pub(crate) fn ignored_by_masters(shape: Shape) -> Vec<String> {
    ignored_of(shape).iter().map(|name| format!("{IGNORE}{name}")).collect()
}

/// Where the API servers' audit policy lies: in no folder of Kubernetes, since an operator lays it on hosts before they are masters.
pub(crate) const AUDIT_POLICY_FILE: &str = "/etc/lab/audit-policy.yaml";

/// An API server refuses to start without it.
pub(crate) fn lay_audit_policy(host: &Host) -> Result<()> {
    host.write_file(AUDIT_POLICY_FILE, "0600", AUDIT_POLICY)
}

/// Lets the host take part in holding the address for all.
pub(crate) fn start_keepalived(host: &Host) -> Result<()> {
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
    eventually("all kubelets to hold their leases", READY, || {
        let listed = lab.kubectl(&["-n", "kube-node-lease", "get", "leases", "-o", "name"])?.lines().count();
        ensure!(listed >= want, "{listed} of {want} do");
        Ok(())
    })?;
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
