//! The cluster's DNS, asked from the hosts as pods there would: where it is silent on some, kube-proxy or the pod network of those is broken, and where it is
//! silent on all, DNS itself.

use std::time::Duration;

use slipway_proto::coordinator::Finding;
use slipway_proto::types::NetworkProbe;
use tokio::task::JoinSet;

use super::{ok, warn};
use crate::agents::network_status;
use crate::fleet::HostRecord;
use crate::world::World;

/// Hosts that are asked: enough to tell one broken host from a broken DNS.
const MOST_ASKED: usize = 20;
const PATIENCE: Duration = Duration::from_secs(6);

/// Asks some of those that serve as nodes, all at once.
pub(super) async fn look(world: &World, serving: Vec<HostRecord>) -> Vec<Finding> {
    let mut asked = JoinSet::new();
    for host in serving.into_iter().take(MOST_ASKED) {
        let agents = world.agents.clone();
        asked.spawn(async move {
            let probes = network_status(agents.as_ref(), &host, true, Vec::new());
            // What a silent agent means is said elsewhere.
            let probes = tokio::time::timeout(PATIENCE, probes).await.ok()?.ok()?;
            Some((host.name, probes))
        });
    }
    judge(asked.join_all().await.into_iter().flatten().collect())
}

fn judge(mut said: Vec<(String, Vec<NetworkProbe>)>) -> Vec<Finding> {
    said.retain(|(_, probes)| !probes.is_empty());
    said.sort_by(|(one, _), (other, _)| one.cmp(other));
    let silent = |probes: &[NetworkProbe]| probes.iter().find(|probe| !probe.answers).cloned();
    let broken: Vec<_> = said.iter().filter_map(|(name, probes)| Some((name, silent(probes)?))).collect();
    match broken.as_slice() {
        [] if said.is_empty() => Vec::new(),
        [] => vec![ok("dns", format!("answers on {} nodes", said.len()))],
        [(_, probe), ..] if broken.len() == said.len() => {
            let says = format!("answers on none of {} nodes; {}: {}", said.len(), probe.whom, probe.says);
            vec![warn("dns", says, "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide".to_owned())]
        }
        some => {
            let one = |(name, probe): &(&String, NetworkProbe)| {
                let says = format!("{} does not answer: {}", probe.whom, probe.says);
                warn(&format!("dns on {name}"), says, "look at kube-proxy and the network plugin there".to_owned())
            };
            some.iter().map(one).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(answers: bool) -> NetworkProbe {
        NetworkProbe { whom: "10.96.0.10".into(), answers, says: "timed out".into() }
    }

    fn judged(said: &[(&str, bool)]) -> Vec<String> {
        let said = said.iter().map(|(name, answers)| ((*name).to_owned(), vec![probe(*answers)])).collect();
        judge(said).into_iter().map(|found| format!("{} {}: {}", found.level, found.about, found.says)).collect()
    }

    #[test]
    fn one_broken_host_is_told_from_a_broken_dns() {
        assert_eq!(judged(&[("w1", true), ("w2", true)]), ["ok dns: answers on 2 nodes"]);
        assert_eq!(judged(&[("w1", true), ("w2", false)]), ["warn dns on w2: 10.96.0.10 does not answer: timed out"]);
        let all = judged(&[("w1", false), ("w2", false)]);
        assert_eq!(all, ["warn dns: answers on none of 2 nodes; 10.96.0.10: timed out"]);
        assert!(judged(&[]).is_empty(), "nobody could be asked");
    }
}
