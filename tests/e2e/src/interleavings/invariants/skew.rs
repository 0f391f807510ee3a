//! I19: versions keep their order. The kubelet of a worker is never newer than any API server, that of a master never newer than its own; API
//! servers are never more than a minor release apart; nothing goes more than a minor release at once.

use slipway_types::KubernetesVersion;

use super::{Event, Invariant};
use crate::interleavings::scene::is_master;
use crate::interleavings::sight::{Host, Sight};

/// See the module.
pub(super) struct ControlPlaneFirst;

/// The API servers of the cluster, by the name of their host.
fn api_servers(sight: &Sight) -> Vec<(&str, KubernetesVersion)> {
    let of_cluster = |name: &str| sight.nodes.contains_key(name) || sight.members.iter().any(|one| one.name == name);
    let served = sight.hosts.iter().filter(|(name, _)| of_cluster(name));
    served.filter_map(|(name, host)| Some((name.as_str(), host.api_server()?))).collect()
}

/// The minor release that comes after that.
const fn next(version: KubernetesVersion) -> (u16, u16) {
    (version.major, version.minor + 1)
}

const fn minor(version: KubernetesVersion) -> (u16, u16) {
    (version.major, version.minor)
}

fn one_step(name: &str, what: &str, change: Option<(KubernetesVersion, KubernetesVersion)>) -> Result<(), String> {
    match change {
        Some((before, after)) if minor(after) > next(before) => {
            Err(format!("{what} of {name} went from {before} to {after} at once"))
        }
        _ => Ok(()),
    }
}

fn steps(name: &str, before: &Host, after: &Host) -> Result<(), String> {
    one_step(name, "the kubelet", before.version.zip(after.version))?;
    one_step(name, "the API server", before.api_server().zip(after.api_server()))
}

impl Invariant for ControlPlaneFirst {
    fn name(&self) -> &'static str {
        "I19"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let servers = api_servers(event.after);
        let oldest = servers.iter().min_by_key(|(_, version)| *version);
        let newest = servers.iter().max_by_key(|(_, version)| *version);
        if let (Some((old, oldest)), Some((new, newest))) = (oldest, newest)
            && minor(*newest) > next(*oldest)
        {
            return Err(format!("the API server of {new} is {newest}, and that of {old} is {oldest}"));
        }
        for (name, host) in event.after.hosts.iter().filter(|(name, _)| event.after.nodes.contains_key(*name)) {
            let Some(kubelet) = host.version else { continue };
            // On a master it asks the API server beside it.
            let own = host.api_server().map(|version| (name.as_str(), version)).filter(|_| is_master(name));
            let asked = own.as_ref().or(oldest);
            if let Some((server, version)) = asked.filter(|(_, version)| kubelet > *version) {
                return Err(format!("the kubelet of {name} is {kubelet}, and the API server of {server} is {version}"));
            }
            if let Some(before) = event.before.hosts.get(name) {
                steps(name, before, host)?;
            }
        }
        Ok(())
    }
}
