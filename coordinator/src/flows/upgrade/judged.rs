//! The facts that the version table is held against, from what cluster and hosts say. What a host does not say stays unknown, and the judge makes
//! of that what it has to.

use slipway_cluster::{Impasse, KubeadmConfig};
use slipway_proto::agent::GatesAnswer;
use slipway_proto::types::{EtcdKind, HostFacts as Said};
use slipway_types::{KubernetesVersion, NodeRole};

use super::gather::static_pods;
use crate::agents::gates;
use crate::etcd::EtcdView;
use crate::flows::replace_etcd_member::Place;
use crate::steps::tag;
use crate::versions::{
    CertificateEnd, Cgroup, EtcdFacts, Facts, FlagSource, HostFacts, KubeadmFacts, KubeletFlag, NodeFacts,
};
use crate::world::World;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const PKI: &str = "/etc/kubernetes/pki/";

/// Everything that the judge is told.
pub(super) async fn facts(
    world: &World,
    target: KubernetesVersion,
    places: &[Place],
    etcd: &EtcdView,
    config: &KubeadmConfig,
    impasses: Vec<Impasse>,
) -> Facts {
    let now_ms = world.clock.now().as_millisecond();
    let mut nodes = Vec::with_capacity(places.len());
    for place in places {
        // A host that says nothing of it is judged as one that was not asked.
        let said = gates(world.agents.as_ref(), &place.record).await.ok();
        nodes.extend(node(place, said.as_ref(), now_ms));
    }
    let masters = || places.iter().filter(|place| place.node.role == NodeRole::ControlPlane);
    Facts {
        target,
        nodes,
        etcd: EtcdFacts {
            external: !masters().any(|place| place.facts.etcd_kind() == EtcdKind::StaticPod),
            members: etcd.members.clone(),
        },
        kubeadm: KubeadmFacts {
            etcd_image_tag: config.etcd_image_tag.clone(),
            gates: config.gates.clone(),
            controller_manager_flags: config.controller_manager_flags.clone(),
        },
        impasses,
    }
}

fn node(place: &Place, gates: Option<&GatesAnswer>, now_ms: i64) -> Option<NodeFacts> {
    let node = &place.node;
    let runtime = match place.facts.containerd_version.as_str() {
        "" => String::new(),
        version => format!("containerd://{version}"),
    };
    Some(NodeFacts {
        name: node.name.clone(),
        role: node.role,
        ready: node.ready,
        kubelet: node.version.parse().ok()?,
        api_server: static_pods(&place.facts).get("kube-apiserver").and_then(|image| tag(image).parse().ok()),
        runtime,
        addresses: node.addresses.iter().map(|address| address.address.clone()).collect(),
        host: gates.map(|gates| host(&place.facts, gates, now_ms)),
    })
}

fn host(said: &Said, gates: &GatesAnswer, now_ms: i64) -> HostFacts {
    let kubelet = said.kubeconfigs.iter().find(|file| file.path.ends_with("/kubelet.conf"));
    HostFacts {
        cgroup: if gates.cgroup_v1 { Cgroup::V1 } else { Cgroup::V2 },
        fail_cgroup_v1: gates.fail_cgroup_v1,
        swap: gates.swap,
        fail_swap_on: gates.fail_swap_on.unwrap_or(true),
        kubelet_flags: gates
            .flags
            .iter()
            .map(|flag| KubeletFlag {
                name: flag.name.clone(),
                from: if flag.kubeadm { FlagSource::Kubeadm } else { FlagSource::Site },
            })
            .collect(),
        kubelet_server: kubelet.map(|file| file.server.clone()).unwrap_or_default(),
        certificates: said
            .certificates
            .iter()
            .filter_map(|end| certificate(&end.path, end.not_after_ms, now_ms))
            .collect(),
    }
}

/// A certificate of kubeadm's, as it calls it: `etcd-peer` of `/etc/kubernetes/pki/etcd/peer.crt`.
fn certificate(path: &str, not_after_ms: i64, now_ms: i64) -> Option<CertificateEnd> {
    let name = path.strip_prefix(PKI)?.strip_suffix(".crt")?.replace('/', "-");
    let authority = name == "ca" || name.ends_with("-ca");
    Some(CertificateEnd { authority, days: (not_after_ms - now_ms).div_euclid(DAY_MS), name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_called_as_kubeadm_calls_them() {
        let end = |path: &str| certificate(path, 3 * DAY_MS + 5, 0);
        let of = |path: &str| end(path).map(|end| (end.name, end.authority, end.days));
        assert_eq!(of("/etc/kubernetes/pki/apiserver.crt"), Some(("apiserver".into(), false, 3)));
        assert_eq!(of("/etc/kubernetes/pki/etcd/ca.crt"), Some(("etcd-ca".into(), true, 3)));
        assert_eq!(of("/etc/kubernetes/pki/front-proxy-ca.crt"), Some(("front-proxy-ca".into(), true, 3)));
        assert_eq!(of("/var/lib/kubelet/pki/kubelet-client-current.pem"), None);
        assert_eq!(certificate("/etc/kubernetes/pki/ca.crt", -1, 0).unwrap().days, -1);
    }
}
