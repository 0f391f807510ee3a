//! What is wrong, what may become so, and what to do: one list over store, API server, agents and runs. It only looks.

mod coordinators;
mod dns;
mod etcd;
mod vip;

use std::collections::BTreeSet;
use std::time::Duration;

use slipway_cluster::is_foreign_cordon;
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::Finding;
use slipway_proto::types::HostFacts;

use crate::api::etcd_status;
use crate::fleet::{Hearing, HostRecord, HostState};
use crate::runs::Runs;
use crate::world::World;

/// Certificates that end sooner are worth a word.
const SOON_DAYS: i64 = 30;
/// For what the API server and the masters say: etcd alone is given eight seconds.
const PATIENCE: Duration = Duration::from_millis(8_500);
/// A disk this full is.
const FULL_PERCENT: u64 = 90;

/// Looks at everything once.
pub async fn examine(world: &World, runs: &Runs) -> Vec<Finding> {
    let mut findings = coordinators(world).await;
    let hosts = match world.hosts.list().await {
        Ok(hosts) => {
            findings.push(ok("store", format!("answers; {} hosts are enrolled", hosts.len())));
            hosts
        }
        Err(error) => {
            findings.push(bad("store", &error));
            Vec::new()
        }
    };
    // At once, and each in its own time: who waits for the whole gives up after ten seconds.
    let serving = hosts.iter().filter(|host| serves(world, host)).cloned().collect();
    let (of_cluster, of_masters, of_dns) = tokio::join!(
        tokio::time::timeout(PATIENCE, cluster(world, &hosts)),
        tokio::time::timeout(PATIENCE, control_plane(world, &hosts)),
        dns::look(world, serving)
    );
    findings.extend(of_cluster.unwrap_or_else(|_| vec![late("api-server")]));
    findings.extend(of_masters.unwrap_or_else(|_| vec![late("etcd")]));
    findings.extend(of_dns);
    findings.extend(hosts.iter().flat_map(|host| host_findings(world, host)));
    findings.extend(open_runs(runs).await);
    findings
}

/// Whether it is a node, and heard.
fn serves(world: &World, host: &HostRecord) -> bool {
    host.state == HostState::InService && !is_silent(world, host)
}

fn is_silent(world: &World, host: &HostRecord) -> bool {
    world.fleet.hearing(&host.id) == Hearing::Down
}

async fn coordinators(world: &World) -> Vec<Finding> {
    let fence = world.barrier.fence();
    let mut findings = vec![ok("coordinator", format!("leads: {fence}"))];
    let (there, members) = tokio::join!(world.fellows.all(), world.fellows.members_of_store());
    match there {
        Ok(there) => findings.extend(coordinators::judge(&fence.holder, &there, &members)),
        Err(error) => findings.push(bad("store", &error)),
    }
    findings
}

async fn cluster(world: &World, hosts: &[HostRecord]) -> Vec<Finding> {
    let version = match world.cluster.version().await {
        Ok(version) => version,
        Err(error) => return vec![bad("api-server", &error.into())],
    };
    let mut findings = vec![ok("api-server", format!("answers as {}", version.git_version))];
    match world.cluster.nodes(None).await {
        Ok(nodes) => {
            for node in &nodes {
                let about = format!("node {}", node.name);
                if !node.ready {
                    findings.push(warn(
                        &about,
                        format!("Ready is {}", node.ready_status),
                        format!("slipway node show {}", node.name),
                    ));
                }
                if is_foreign_cordon(node) {
                    findings.push(note(
                        &about,
                        "is cordoned by somebody else; it counts against its pool's budget".to_owned(),
                    ));
                }
                if !hosts.iter().any(|host| host.name == node.name.as_str()) {
                    let way = format!("slipway token create --host {}, then slipway-agent enrol there", node.name);
                    findings.push(warn(&about, "has no agent".to_owned(), way));
                }
            }
        }
        Err(error) => findings.push(bad("api-server", &error.into())),
    }
    findings
}

/// By the masters' own word, so that it is told also when no API server answers.
async fn control_plane(world: &World, hosts: &[HostRecord]) -> Vec<Finding> {
    let nodes = tokio::time::timeout(PATIENCE / 4, world.cluster.nodes(None));
    let (etcd, nodes) = tokio::join!(etcd_status(world, ""), nodes);
    let nodes = nodes.ok().and_then(Result::ok).unwrap_or_default();
    let mut findings = match etcd {
        Ok(said) => etcd::judge(&said).into_iter().collect(),
        Err(error) => vec![bad("etcd", &error)],
    };
    let heard: Vec<(&str, HostFacts)> = hosts
        .iter()
        .filter(|host| !is_silent(world, host))
        .filter_map(|host| Some((host.name.as_str(), world.fleet.view(&host.id).facts?)))
        .filter(|(_, facts)| facts.control_plane)
        .collect();
    let of_nodes = nodes.iter().flat_map(|node| &node.addresses).map(|address| address.address.clone());
    let of_agents = hosts.iter().filter_map(|host| host.address.rsplit_once(':')).map(|(host, _)| host.to_owned());
    let own: BTreeSet<String> = of_nodes.chain(of_agents).collect();
    let masters: Vec<vip::Master<'_>> = heard.iter().map(|(name, facts)| vip::Master { name, facts }).collect();
    findings.extend(vip::judge(&masters, &own));
    findings
}

fn host_findings(world: &World, host: &HostRecord) -> Vec<Finding> {
    let about = format!("host {}", host.name);
    let view = world.fleet.view(&host.id);
    let silent = world.fleet.silence(&host.id);
    let hearing = world.fleet.hearing(&host.id);
    if hearing == Hearing::Down {
        let says = format!("its agent is down, and was last heard {} s ago: {}", silent.as_secs(), view.says);
        return vec![warn(&about, says, "systemctl status slipway-agent on that host".to_owned())];
    }
    let state = if host.state == HostState::Waiting { ", waits for its next use" } else { "" };
    let mut findings = vec![match hearing {
        Hearing::Suspect => note(&about, format!("its agent may be gone: last heard {} ms ago", silent.as_millis())),
        _ => ok(&about, format!("heard {} ms ago{state}", silent.as_millis())),
    }];
    let soon = (world.clock.now().as_millisecond()) + SOON_DAYS * 24 * 3600 * 1000;
    for end in view.facts.iter().flat_map(|facts| &facts.certificates).filter(|end| end.not_after_ms < soon) {
        let at =
            slipway_types::Timestamp::from_millisecond(end.not_after_ms).map(|at| at.to_string()).unwrap_or_default();
        findings.push(warn(
            &about,
            format!("{} ends at {at}", end.path),
            "kubeadm certs renew, or let the kubelet rotate".to_owned(),
        ));
    }
    for disk in view.metrics.iter().flat_map(|metrics| &metrics.disks) {
        if disk.total_bytes > 0
            && (disk.total_bytes - disk.available_bytes.min(disk.total_bytes)) * 100 / disk.total_bytes >= FULL_PERCENT
        {
            findings.push(warn(
                &about,
                format!("{} is {FULL_PERCENT} % full or more", disk.mount_point),
                "make room".to_owned(),
            ));
        }
    }
    findings
}

async fn open_runs(runs: &Runs) -> Vec<Finding> {
    let open = runs.list(false, 100).await;
    match open {
        Err(error) => vec![bad("runs", &error)],
        Ok(open) => open
            .iter()
            .filter(|run| run.state == "paused" || run.state == "needs-operator")
            .map(|run| {
                warn(
                    &format!("run {}", run.run),
                    format!("{} is {}: {}", run.title, run.state, run.why),
                    format!("slipway run show {}", run.run),
                )
            })
            .collect(),
    }
}

fn late(about: &str) -> Finding {
    bad(about, &Coded::new(Code::WIRE_DEADLINE, format!("no answer within {} s", PATIENCE.as_millis() / 1000)))
}

fn finding(about: &str, level: &str, says: String, way_out: String) -> Finding {
    Finding { about: about.to_owned(), level: level.to_owned(), says, way_out }
}

fn ok(about: &str, says: String) -> Finding {
    finding(about, "ok", says, String::new())
}

fn note(about: &str, says: String) -> Finding {
    finding(about, "note", says, String::new())
}

fn warn(about: &str, says: String, way_out: String) -> Finding {
    finding(about, "warn", says, way_out)
}

fn bad(about: &str, error: &Coded) -> Finding {
    let way_out = error.way_out.clone().unwrap_or_else(|| format!("slipway explain {}", error.code));
    finding(about, "bad", format!("{}: {}", error.code, error.message), way_out)
}
