//! A cluster whose clients know the first master only: it may not go while they do, the refusal names them and the way, and once they
//! have been moved to the address for all it goes like any other.

use anyhow::{Result, ensure};

use crate::cluster::start_keepalived;
use crate::etcd_verbs::refused_in_words;
use crate::evidence::{MasterRemoval, vip_answers_once};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_vip_holder;
use crate::shape::{Entrance, Shape, VIP};

pub(super) const TEST: TestCase = TestCase {
    name: "control_plane_endpoint_of_first_master",
    cost: 200,
    set: Set::Full,
    shape: Shape { entrance: Entrance::First, ..Shape::WIDE },
    run,
};

/// Who talks to an API server from a host.
const KUBECONFIGS: &str = "cat /etc/kubernetes/kubelet.conf /etc/kubernetes/controller-manager.conf \
    /etc/kubernetes/scheduler.conf /etc/kubernetes/admin.conf 2> /dev/null | grep server: || true";

fn run(lab: &Lab) -> Result<()> {
    let first = lab.host("m1")?;
    let removal = MasterRemoval::ahead(lab, first)?;
    let named = ["w1", "w2", "kube-proxy", "slipway node set-endpoint"];
    refused_in_words(&lab.remove_master("m1", &[])?, "SLIP-", &named)?;
    removal.nothing_happened()?;
    an_address_without_a_certificate_is_refused(lab)?;

    for master in lab.masters() {
        start_keepalived(master)?;
    }
    make_vip_holder(lab, lab.host("m2")?)?;
    let output = lab.slipway(&["node", "set-endpoint", &format!("{VIP}:6443"), "--yes"])?;
    ensure!(output.is_ok(), "node set-endpoint: {output}");
    for host in lab.nodes().iter().filter(|host| host.name() != "m1") {
        talks_to_another(host, first)?;
    }
    let output = lab.remove_master("m1", &[])?;
    ensure!(output.is_ok(), "node remove: {output}");
    removal.ended_well()?;
    vip_answers_once(lab)?;
    lab.kubectl(&["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s"])?;
    // The cluster has another entrance now than this shape says.
    lab.spend()
}

/// No API server's certificate is good for it, so no kubeconfig may be pointed there.
fn an_address_without_a_certificate_is_refused(lab: &Lab) -> Result<()> {
    let worker = lab.host("w1")?;
    let before = worker.run_ok(&["sha256sum", "/etc/kubernetes/kubelet.conf"])?;
    let output = lab.slipway(&["node", "set-endpoint", "10.70.0.99:6443", "--yes"])?;
    ensure!(!output.is_ok(), "10.70.0.99 was taken for an API server: {output}");
    let after = worker.run_ok(&["sha256sum", "/etc/kubernetes/kubelet.conf"])?;
    ensure!(before == after, "w1's kubeconfig was changed all the same");
    Ok(())
}

fn talks_to_another(host: &Host, gone: &Host) -> Result<()> {
    let servers = host.script("kubeconfigs", KUBECONFIGS, &[])?;
    ensure!(servers.contains(":6443"), "{} has no kubeconfig", host.name());
    ensure!(!servers.contains(&format!("{}:", gone.address())), "{} still talks to m1: {servers}", host.name());
    Ok(())
}
