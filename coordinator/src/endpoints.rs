//! Who reaches the API by which address. A master whose own address is the only way in for somebody must not leave before that is changed:
//! the kubelet behind it would go silent, and its pods be moved, an hour after everything looked well.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt as _};
use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_proto::types::HostFacts;
use slipway_types::NodeRole;

use crate::world::World;

/// Somebody who reaches the API by an address that one node alone has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// A host, or an object of the cluster.
    pub who: String,
    /// The file or key.
    pub place: String,
    /// The address.
    pub server: String,
}

impl std::fmt::Display for Dependent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}: {})", self.who, self.place, self.server)
    }
}

/// Agents asked at once.
const AT_ONCE: usize = 64;

/// Where a cluster writes down how its API is reached, beside the hosts: namespace and name of each ConfigMap.
const CONFIG_MAPS: [(&str, &str); 2] = [("kube-system", "kube-proxy"), ("kube-public", "cluster-info")];

/// All who would be without an API server if `node` left. The files of the node's own host go with it, and do not count.
async fn dependents(world: &World, node: &Node) -> Result<Vec<Dependent>, Coded> {
    let others = world.hosts.list().await?.into_iter().filter(|host| host.name != node.name.as_str());
    // Asked now: what a host said last may be from before somebody moved it to another address, or to this one.
    let asked = stream::iter(others).map(async |host| {
        let said = match world.agents.describe(&host).await {
            Ok(said) => said.facts,
            // A silent host is no reason to keep a master for ever; that it could not be asked is said by the fleet's own findings.
            Err(_) => world.fleet.view(&host.id).facts,
        };
        said.map(|facts| (host.name, facts))
    });
    let hosts: Vec<(String, HostFacts)> =
        asked.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await;
    let texts = config_map_texts(world).await?;
    Ok(dependents_among(node, hosts.iter().map(|(name, facts)| (name.as_str(), facts)), &texts))
}

/// The texts of the ConfigMaps that say how the API is reached, by name.
pub async fn config_map_texts(world: &World) -> Result<Vec<(String, String)>, slipway_cluster::Error> {
    let mut texts = Vec::new();
    for (namespace, name) in CONFIG_MAPS {
        if let Some(text) = world.cluster.config_map_text(namespace, name).await? {
            texts.push((format!("{namespace}/{name}"), text));
        }
    }
    Ok(texts)
}

/// The same, among hosts with what they said last, and the texts of ConfigMaps by their names.
pub fn dependents_among<'a>(
    node: &Node,
    hosts: impl Iterator<Item = (&'a str, &'a HostFacts)>,
    texts: &[(String, String)],
) -> Vec<Dependent> {
    let own = own_addresses(node);
    let others = hosts.filter(|(name, _)| *name != node.name.as_str());
    let mut found: BTreeSet<Dependent> = others.flat_map(|(name, facts)| of_host(name, facts, &own)).collect();
    for (name, text) in texts {
        let servers = servers_in(text).into_iter().filter(|server| own.contains(host_of(server)));
        found.extend(servers.map(|server| Dependent {
            who: format!("ConfigMap {name}"),
            place: "server".to_owned(),
            server: server.to_owned(),
        }));
    }
    found.into_iter().collect()
}

/// Refused while somebody would be without an API server.
pub async fn refuse_dependents(world: &World, node: &Node) -> Result<(), Coded> {
    let dependents = dependents(world, node).await?;
    let Some(first) = dependents.first() else { return Ok(()) };
    let all: Vec<String> = dependents.iter().map(ToString::to_string).collect();
    let text = format!("these reach the API by an address that only {} has: {}", node.name, all.join("; "));
    Err(Coded::new(Code::API_SERVER_ADDRESS, text).do_this(format!(
        "move them first: slipway node set-endpoint HOST:PORT, with an address of another master or of all (now {})",
        first.server
    )))
}

fn of_host(name: &str, facts: &HostFacts, own: &BTreeSet<String>) -> Vec<Dependent> {
    let uses = facts.kubeconfigs.iter().filter(|file| own.contains(host_of(&file.server)));
    uses.map(|file| Dependent { who: name.to_owned(), place: file.path.clone(), server: file.server.clone() }).collect()
}

/// What leads to this machine and to no other: an address that moves is none of them.
fn own_addresses(node: &Node) -> BTreeSet<String> {
    node.addresses.iter().map(|address| address.address.clone()).chain([node.name.to_string()]).collect()
}

/// The address that moves between masters: a kubeconfig's server on this host, or an address of the host, that no Node lists as its own.
pub fn virtual_address(facts: &HostFacts, nodes: &[Node]) -> Option<String> {
    address_beside(facts, &nodes.iter().flat_map(own_addresses).collect())
}

/// The same, of what is known to belong to one machine each.
pub fn address_beside(facts: &HostFacts, own: &BTreeSet<String>) -> Option<String> {
    let servers = facts.kubeconfigs.iter().map(|file| host_of(&file.server));
    let mut candidates = servers.filter(|host| {
        host.parse::<std::net::IpAddr>().is_ok_and(|address| !address.is_loopback()) && !own.contains(*host)
    });
    candidates.next().map(str::to_owned)
}

/// The unit that moves such an address.
pub const KEEPALIVED: &str = "keepalived.service";

/// The unit that tells it how its master is.
pub const VIP_GUARD: &str = "slipway-vip-guard.service";

/// An address as it stands before a port.
pub fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

/// Whether keepalived runs on the host, so that it takes part in the address that moves.
pub fn runs_keepalived(facts: &HostFacts) -> bool {
    facts.units.iter().any(|unit| unit.unit == KEEPALIVED && unit.active == "active")
}

/// Whether the host has that address, as it says itself.
pub fn holds(facts: &HostFacts, address: &str) -> bool {
    facts.addresses.iter().any(|own| own.split('/').next() == Some(address))
}

/// The control-plane nodes, but for the one that leaves.
pub fn masters_beside<'n>(nodes: &'n [Node], leaves: Option<&slipway_types::NodeName>) -> Vec<&'n Node> {
    nodes.iter().filter(|node| node.role == NodeRole::ControlPlane && Some(&node.name) != leaves).collect()
}

/// The servers of a kubeconfig's text: each is on a line of its own.
fn servers_in(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("server:"));
    lines.map(|server| server.trim().trim_matches(['"', '\''])).collect()
}

/// `10.0.0.1` of `https://10.0.0.1:6443`; empty where there is none, which is nobody's address.
pub fn host_of(server: &str) -> &str {
    slipway_cluster::etcd::host_of(server).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::KubeconfigServer;

    fn facts(servers: &[&str]) -> HostFacts {
        let file = |server: &&str| KubeconfigServer {
            path: "/etc/kubernetes/kubelet.conf".into(),
            server: (*server).into(),
            ..Default::default()
        };
        HostFacts { kubeconfigs: servers.iter().map(file).collect(), ..Default::default() }
    }

    #[test]
    fn whoever_uses_the_leaving_masters_own_address_is_named_with_the_file() {
        let own = BTreeSet::from(["10.0.0.1".to_owned(), "m1".to_owned()]);
        let found = of_host("w1", &facts(&["https://10.0.0.1:6443", "https://10.0.0.9:6443", "https://m1:6443"]), &own);
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "w1 (/etc/kubernetes/kubelet.conf: https://10.0.0.1:6443)",
                "w1 (/etc/kubernetes/kubelet.conf: https://m1:6443)"
            ]
        );
    }

    #[test]
    fn servers_are_found_in_the_text_of_a_kubeconfig() {
        let text = "clusters:\n- cluster:\n    server: \"https://api.lab:6443\"\n  name: default\n";
        assert_eq!(servers_in(text), ["https://api.lab:6443"]);
        assert_eq!(host_of("https://[fd00::1]:6443"), "fd00::1");
        assert_eq!(host_of("https://api.lab"), "api.lab");
    }

    #[test]
    fn the_address_that_moves_is_one_that_no_node_lists() {
        assert_eq!(
            virtual_address(&facts(&["https://127.0.0.1:6443", "https://10.0.0.9:6443"]), &[]).unwrap(),
            "10.0.0.9"
        );
        assert_eq!(
            virtual_address(&facts(&["https://api.lab:6443"]), &[]),
            None,
            "a name says nothing of who holds it"
        );
    }
}
