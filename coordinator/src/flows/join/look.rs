//! What is looked at before a host may join, for either role: its packages and its name here, all else by the judge of hosts.

use serde::{Deserialize, Serialize};
use slipway_cluster::{ClusterInfo, KUBE_SYSTEM};
use slipway_errors::{Code, Coded};
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

use super::before::{Before, Common, before};
use super::master::{Master, master};
use crate::fleet::HostState;
use crate::flows::package_work::{PackageWork, package_work};
use crate::flows::scale_in::{HostWork, host_work};
use crate::steps::{HostTarget, refuse_one_that_is_there, tag};
use crate::world::World;

/// A host that is to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Joining {
    pub(super) host: HostTarget,
    pub(super) cri_socket: String,
    /// Everything under its name was denied, when it left while it was silent.
    pub(super) denied: bool,
    /// What it becomes as a master; none for a worker.
    #[serde(default)]
    pub(super) master: Option<Master>,
    /// What takes the join back.
    pub(super) back: Vec<HostWork>,
    /// How it is prepared, and what is to be known of it.
    #[serde(default)]
    pub(super) before: Before,
    /// What brings the packages of the wanted version; none: they are there.
    #[serde(default)]
    pub(super) packages: Option<PackageWork>,
}

impl Joining {
    /// What is to be known before the plan is approved.
    pub(super) fn warnings(&self) -> impl Iterator<Item = &String> {
        let of_packages = self.packages.iter().filter_map(PackageWork::warning);
        let of_master = self.master.iter().flat_map(|master| &master.warnings);
        self.before.warnings.iter().chain(of_packages).chain(of_master)
    }
}

/// A kubelet is never newer than an API server that it may speak to: behind the address for all stands each of them, and while masters are
/// upgraded one by one they differ.
pub(super) async fn not_newer(world: &World, wanted: KubernetesVersion) -> Result<(), Coded> {
    let mut servers = vec![("the one that answers".to_owned(), world.cluster.version().await?.git_version)];
    let pods = world.cluster.pods_in(KUBE_SYSTEM).await?;
    let of_masters = pods.iter().filter(|pod| pod.mirror && pod.id.name.starts_with("kube-apiserver-"));
    servers.extend(of_masters.flat_map(|pod| pod.images.iter().map(|image| (pod.node.clone(), tag(image).to_owned()))));
    let minor = |version: KubernetesVersion| (version.major, version.minor);
    let older = |(_, server): &&(String, String)| {
        server.parse::<KubernetesVersion>().is_ok_and(|version| minor(version) < minor(wanted))
    };
    let Some((which, server)) = servers.iter().find(older) else { return Ok(()) };
    let text = format!("a kubelet of {wanted} is newer than an API server: {which} is {server}");
    Err(Coded::new(Code::JOIN_VERSION, text).do_this("join with the cluster's version; upgrade the cluster afterwards"))
}

/// The form of configuration that a join is written in came with this minor: an older kubeadm cannot read it.
const OLDEST: (u64, u64) = (1, 31);

/// Whether that version's kubeadm reads what it would be given.
pub(super) fn not_too_old(wanted: KubernetesVersion) -> Result<(), Coded> {
    if (u64::from(wanted.major), u64::from(wanted.minor)) >= OLDEST {
        return Ok(());
    }
    let text = format!(
        "kubeadm {wanted} does not read the configuration of a join (kubeadm.k8s.io/v1beta4 came with {}.{})",
        OLDEST.0, OLDEST.1
    );
    Err(Coded::new(Code::JOIN_VERSION, text).do_this(
        "upgrade the cluster to 1.31 or later first; until then kubeadm join by hand, then slipway-agent enrol there",
    ))
}

/// How hosts join. What is published for newcomers has to name the authority that the cluster itself goes by: a host that knew the API by another
/// would fail, or obey somebody else.
pub(crate) async fn way_in(world: &World) -> Result<ClusterInfo, Coded> {
    let info = world.cluster.cluster_info().await?;
    let roots = world.cluster.root_authorities().await?;
    if roots.is_empty() || info.ca_cert_hashes.iter().any(|hash| roots.contains(hash)) {
        return Ok(info);
    }
    let text = format!(
        "kube-public/cluster-info names the authority {}, and the cluster goes by {}",
        info.ca_cert_hashes.join(", "),
        roots.join(", ")
    );
    Err(Coded::new(Code::JOIN_AUTHORITY, text)
        .do_this("find out who changed it; kubeadm init phase bootstrap-token on a master publishes it anew"))
}

/// What is known of a host that is to join; one that cannot is refused with the reason.
pub(super) async fn joining(
    world: &World,
    name: &NodeName,
    common: &Common<'_>,
    denied: bool,
) -> Result<Joining, Coded> {
    let record = world.host_of(name).await?;
    if record.state == HostState::ToBeCleaned {
        let text = format!("the host of {name} is to be cleaned first: it was taken out while it was silent");
        return Err(
            Coded::new(Code::HOST_LEFTOVERS, text).do_this("it is cleaned by itself; slipway run list shows the run")
        );
    }
    refuse_one_that_is_there(world, name).await?;
    let said = world.said_by(&record).await?;
    let before = before(world, name, (&record, &said), common).await?;
    let (host_id, machine_id) = (record.id.clone(), said.machine_id.clone());
    let host = HostTarget { node: name.clone(), host_id, machine_id };
    Ok(Joining {
        packages: package_work(world, &record, &said, common.version).await?,
        back: host_work(world, &record, &said).await?,
        master: match common.role {
            NodeRole::ControlPlane => Some(master(world, &record, &said, &host).await?),
            NodeRole::Worker => None,
        },
        cri_socket: said.cri_socket,
        denied,
        before,
        host,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeadm_that_cannot_read_the_join_is_refused_with_the_reason() {
        let asked = |version: &str| not_too_old(version.parse().unwrap());
        assert_eq!(asked("1.31.0"), Ok(()));
        assert_eq!(asked("1.34.4"), Ok(()));
        let error = asked("1.30.14").unwrap_err();
        assert!(error.code == Code::JOIN_VERSION && error.message.contains("v1beta4"), "{error}");
    }
}
