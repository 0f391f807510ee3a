//! Whether the packages of Kubernetes are held on each host: one that is not is taken to another release by the next unattended upgrade, outside
//! every budget and without a drain.

use futures::StreamExt;
use slipway_proto::agent::PackagesQuery;
use slipway_proto::types::Packages;

use super::HostTarget;
use crate::agents::packages;
use crate::world::World;

const HELD: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];
/// Hosts that are asked at once.
const AT_ONCE: usize = 16;

/// The hosts where that is not so, or not known, each with what it lacks: `w1 (kubectl)`.
pub(super) async fn not_held(world: &World, hosts: &[HostTarget]) -> Vec<String> {
    let asked = futures::stream::iter(hosts.to_vec()).map(|host| lacking(world, host)).buffered(AT_ONCE);
    asked.filter_map(std::future::ready).collect().await
}

async fn lacking(world: &World, host: HostTarget) -> Option<String> {
    let said = async {
        match world.hosts.get(&host.host_id).await? {
            // No repository is looked at.
            Some(record) => packages(world.agents.as_ref(), &record, PackagesQuery::default()).await.map(Some),
            None => Ok(None),
        }
    };
    let lacks = match said.await {
        Ok(Some(said)) => free(&said).join(", "),
        Ok(None) => "its host is enrolled no more".to_owned(),
        Err(error) => format!("not known: {}", error.message),
    };
    (!lacks.is_empty()).then(|| format!("{} ({lacks})", host.node))
}

fn free(said: &Packages) -> Vec<&'static str> {
    let held = |name: &&str| said.installed.iter().any(|package| package.name == *name && package.held);
    HELD.into_iter().filter(|name| !held(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::InstalledPackage;

    #[test]
    fn what_is_installed_and_not_held_is_named_and_so_is_what_is_not_installed() {
        let package = |name: &str, held| InstalledPackage { name: name.into(), version: "1.34.4-1.1".into(), held };
        let said = Packages {
            installed: vec![package("kubelet", true), package("kubeadm", false), package("kubernetes-cni", false)],
            ..Packages::default()
        };
        assert_eq!(free(&said), ["kubeadm", "kubectl"]);
    }
}
