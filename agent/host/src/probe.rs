//! How the cluster's network looks from this machine: whether the name servers that the kubelet gives to pods know the API's own name, and
//! whether pods answer. The way of both goes through kube-proxy and the network plugin, so that a host on which either is broken shows here.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;
use slipway_proto::types::NetworkProbe;

use crate::{Error, Host, dns};

const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const CONFIG_LIMIT: usize = 1 << 20;
const KUBELET: &str = "kubelet";
const DOMAIN: &str = "cluster.local";
const PORT: u16 = 53;
/// A datagram may be lost.
const TRIES: u16 = 3;
/// More name servers than a pod can have.
const SERVERS: usize = 3;

/// What the kubelet tells pods to ask.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Names {
    #[serde(rename = "clusterDNS")]
    cluster_dns: Vec<String>,
    cluster_domain: String,
}

/// Asks the name servers where `dns`, and each of `pods`.
pub async fn network(host: &Host, dns: bool, pods: &[IpAddr]) -> Result<Vec<NetworkProbe>, Error> {
    let mut probes = Vec::new();
    if dns {
        probes.extend(name_servers(host).await?);
    }
    for pod in pods {
        let (answers, says) = match host.reach.answers(*pod).await {
            Ok(true) => (true, "it answers".to_owned()),
            Ok(false) => (false, "nothing comes back".to_owned()),
            Err(error) => (false, error.coded().message),
        };
        probes.push(NetworkProbe { whom: pod.to_string(), answers, says });
    }
    Ok(probes)
}

async fn name_servers(host: &Host) -> Result<Vec<NetworkProbe>, Error> {
    let names = names(host).await?;
    let domain = Some(names.cluster_domain.trim_end_matches('.')).filter(|domain| !domain.is_empty());
    let name = format!("kubernetes.default.svc.{}", domain.unwrap_or(DOMAIN));
    let mut probes = Vec::new();
    for server in names.cluster_dns.iter().take(SERVERS) {
        let (answers, says) = match server.parse::<IpAddr>() {
            Ok(address) => match ask(host, SocketAddr::new(address, PORT), &name).await {
                Ok(found) => (true, format!("{name} is {found}")),
                Err(why) => (false, format!("{name}: {why}")),
            },
            Err(_) => (false, "it is no address".to_owned()),
        };
        probes.push(NetworkProbe { whom: server.clone(), answers, says });
    }
    if probes.is_empty() {
        let says = format!("{CONFIG} names no name server (clusterDNS)");
        probes.push(NetworkProbe { whom: "clusterDNS".into(), answers: false, says });
    }
    Ok(probes)
}

async fn ask(host: &Host, server: SocketAddr, name: &str) -> Result<IpAddr, String> {
    let mut why = "it has no address".to_owned();
    for id in 1..=TRIES {
        for six in [false, true] {
            match host.reach.ask(server, &dns::question(id, name, six)).await {
                Ok(answer) => match dns::addresses(&answer, id) {
                    Ok(found) => match found.first() {
                        Some(address) => return Ok(*address),
                        // A cluster of the other family knows it by the other question.
                        None => continue,
                    },
                    Err(error) => error.clone_into(&mut why),
                },
                Err(error) => why = error.coded().message,
            }
            break;
        }
    }
    Err(why)
}

/// What the kubelet was started with wins over its file, as with the kubelet itself.
async fn names(host: &Host) -> Result<Names, Error> {
    let text = host.files.read(Path::new(CONFIG), CONFIG_LIMIT).await?.unwrap_or_default();
    let mut names: Names = serde_saphyr::from_str(&String::from_utf8_lossy(&text)).unwrap_or_default();
    let processes = host.processes.list().await?;
    for word in processes.iter().filter(|process| process.comm == KUBELET).flat_map(|process| &process.cmdline) {
        if let Some(servers) = word.strip_prefix("--cluster-dns=") {
            names.cluster_dns = servers.split(',').map(str::to_owned).collect();
        }
        if let Some(domain) = word.strip_prefix("--cluster-domain=") {
            domain.clone_into(&mut names.cluster_domain);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeHost;

    #[tokio::test]
    async fn the_name_servers_of_the_kubelet_are_asked_and_pods_answer() {
        let (host, machine) = FakeHost::worker("w1");
        let pod = "10.244.1.9".parse().unwrap();
        let probes = network(&host, true, &[pod]).await.unwrap();
        let whom: Vec<_> = probes.iter().map(|probe| (probe.whom.as_str(), probe.answers)).collect();
        assert_eq!(whom, [("10.96.0.10", true), ("10.244.1.9", true)]);
        assert_eq!(probes[0].says, "kubernetes.default.svc.cluster.local is 10.96.0.1");
        machine.change(|state| state.network_broken = true);
        let probes = network(&host, true, &[pod]).await.unwrap();
        assert!(probes.iter().all(|probe| !probe.answers), "{probes:?}");
        assert_eq!(network(&host, false, &[]).await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_flag_of_the_kubelet_wins_over_its_file_and_no_name_server_is_said() {
        let (host, machine) = FakeHost::worker("w1");
        machine.change(|state| {
            let kubelet = state.processes.iter_mut().find(|process| process.comm == KUBELET).unwrap();
            kubelet.cmdline = vec!["--cluster-dns=169.254.20.10,nowhere".into(), "--cluster-domain=lab.test.".into()];
        });
        let probes = network(&host, true, &[]).await.unwrap();
        assert_eq!(probes[0].says, "kubernetes.default.svc.lab.test is 10.96.0.1");
        assert_eq!((probes[0].whom.as_str(), probes[1].says.as_str()), ("169.254.20.10", "it is no address"));
        let (host, _machine) = FakeHost::new();
        assert!(network(&host, true, &[]).await.unwrap()[0].says.contains("names no name server"));
    }
}
