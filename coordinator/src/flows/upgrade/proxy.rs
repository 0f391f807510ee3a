//! Whose kube-proxy it is: kubeadm's has the version of a node and goes along with an upgrade; one of another version was pinned by somebody, or was
//! left behind by an upgrade that broke off. That one is told, and not waited for at the end: nothing of the run would ever change it.

use std::collections::BTreeSet;

use slipway_cluster::{KUBE_SYSTEM, Node, Pod};
use slipway_errors::Coded;
use slipway_types::KubernetesVersion;

use super::findings::found;
use crate::steps::{is_kube_proxy, tag};
use crate::versions::{Finding, Severity};
use crate::world::World;

/// Whether it goes along with the upgrade.
pub(super) async fn goes_along(
    world: &World,
    nodes: &[Node],
    to: KubernetesVersion,
    findings: &mut Vec<Finding>,
) -> Result<bool, Coded> {
    let pods = world.cluster.pods_in(KUBE_SYSTEM).await?;
    let of_nodes: BTreeSet<KubernetesVersion> = nodes.iter().filter_map(|node| node.version.parse().ok()).collect();
    let (along, strange): (Vec<_>, Vec<_>) =
        versions(&pods).into_iter().partition(|version| *version == to || of_nodes.contains(version));
    if along.is_empty()
        && let Some(version) = strange.first()
    {
        let text = format!(
            "kube-proxy has {version}, which no node has: it is taken for your own, and is not looked at after the upgrade"
        );
        let way = "if kubeadm is to upgrade it: on a master kubeadm upgrade apply phase addon all, before 1.32 kubeadm init phase addon kube-proxy";
        findings.push(found(Severity::Note, text, way));
    }
    Ok(!along.is_empty())
}

fn versions(pods: &[Pod]) -> BTreeSet<KubernetesVersion> {
    let images = pods.iter().filter(|pod| is_kube_proxy(pod)).flat_map(|pod| &pod.images);
    images.filter_map(|image| tag(image).parse().ok()).collect()
}
