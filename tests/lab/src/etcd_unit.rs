//! An etcd that kubeadm does not run: a systemd unit on each master, with a static configuration, as clusters have it whose operators
//! kept etcd in their own hands. kubeadm is told that it is external.

use anyhow::Result;

use crate::each::each;
use crate::host::Host;
use crate::progress::step;
use crate::shape::{HostPlan, Shape};

const UNIT: &str = include_str!("../assets/etcd.service");
const CONFIG: &str = include_str!("../assets/etcd.conf");
const CERTIFICATES: &str = include_str!("../assets/etcd-certificates.sh");
/// Where a member's certificates lie.
pub(crate) const PKI: &str = "/etc/etcd/pki";
const OF_MEMBER: [&str; 7] =
    ["ca.crt", "server.crt", "server.key", "peer.crt", "peer.key", "healthcheck-client.crt", "healthcheck-client.key"];
/// What API servers show to etcd, and where kubeadm looks for it.
const CLIENT: [&str; 3] = ["etcd/ca.crt", "apiserver-etcd-client.crt", "apiserver-etcd-client.key"];
const KUBERNETES_PKI: &str = "/etc/kubernetes/pki";

/// Starts a member on each master and waits until they are a cluster.
pub(crate) fn up(masters: &[Host], shape: Shape) -> Result<()> {
    let [first, ..] = masters else { return Ok(()) };
    step("certificates of etcd", || {
        masters.iter().try_for_each(|host| lay_certificates(first, host, shape))?;
        let from = format!("/root/etcd-pki/{}", first.name());
        CLIENT.iter().try_for_each(|file| carry(first, &format!("{from}/{file}"), first, &at(KUBERNETES_PKI, file)))
    })?;
    step("etcd under systemd", || each(masters, |host| start(host, shape)))
}

/// Makes a host's certificates on the first master, where the authority stays, and brings them to the host.
pub(crate) fn lay_certificates(first: &Host, host: &Host, shape: Shape) -> Result<()> {
    let words = [host.name(), &host.address(), shape.release.version()];
    let made = first.script("etcd-certificates", CERTIFICATES, &words)?;
    let from = format!("{}/etcd", made.trim());
    OF_MEMBER.iter().try_for_each(|file| carry(first, &at(&from, file), host, &at(PKI, file)))
}

/// What kubeadm is told of it.
pub(crate) fn as_kubeadm_sees_it(shape: Shape) -> String {
    let endpoints: Vec<String> =
        shape.masters().iter().map(|host| format!("      - https://{}:2379\n", host.address())).collect();
    format!(
        "etcd:\n  external:\n    endpoints:\n{}    caFile: {}\n    certFile: {}\n    keyFile: {}\n",
        endpoints.concat(),
        at(KUBERNETES_PKI, CLIENT[0]),
        at(KUBERNETES_PKI, CLIENT[1]),
        at(KUBERNETES_PKI, CLIENT[2])
    )
}

fn start(host: &Host, shape: Shape) -> Result<()> {
    host.write_file("/etc/systemd/system/etcd.service", "0644", UNIT)?;
    host.write_file("/etc/etcd/etcd.conf", "0600", config(host.plan(), shape))?;
    host.run_ok(&["chmod", "0700", "/var/lib/etcd"])?;
    host.run_ok(&["systemctl", "daemon-reload"])?;
    // It says that it has started once the members have found each other.
    host.run_ok(&["systemctl", "--quiet", "enable", "--now", "etcd"]).map(|_| ())
}

fn config(host: &HostPlan, shape: Shape) -> String {
    let member = |host: &HostPlan| format!("{}=https://{}:2380", host.name, host.address());
    let cluster: Vec<String> = shape.masters().iter().map(member).collect();
    CONFIG.replace("@NAME@", &host.name).replace("@ADDRESS@", &host.address()).replace("@CLUSTER@", &cluster.join(","))
}

fn carry(from: &Host, source: &str, to: &Host, target: &str) -> Result<()> {
    to.write_file(target, "0600", from.read_file(source)?)
}

fn at(folder: &str, file: &str) -> String {
    format!("{folder}/{file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_knows_all_of_them_and_itself() {
        let shape = Shape::WIDE;
        let text = config(&shape.masters()[1], shape);
        assert!(text.contains("ETCD_NAME=\"m2\""), "{text}");
        assert!(text.contains("ETCD_ADVERTISE_CLIENT_URLS=\"https://10.70.0.12:2379\""), "{text}");
        assert!(
            text.contains("\"m1=https://10.70.0.11:2380,m2=https://10.70.0.12:2380,m3=https://10.70.0.13:2380\""),
            "{text}"
        );
        assert!(!text.contains('@'), "{text}");
    }

    #[test]
    fn kubeadm_is_told_of_every_member() {
        let text = as_kubeadm_sees_it(Shape::WIDE);
        assert_eq!(text.matches("- https://10.70.0.1").count(), 3, "{text}");
        assert!(text.contains("caFile: /etc/kubernetes/pki/etcd/ca.crt\n"), "{text}");
    }
}
