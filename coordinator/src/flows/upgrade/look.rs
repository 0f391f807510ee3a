//! The whole cluster, looked at once for an upgrade: where it leads, which node is in which state, who goes first, and everything that speaks
//! against it.

use std::collections::BTreeMap;

use slipway_cluster::etcd::{Change, Member, Verdict, project};
use slipway_cluster::{Impasse, KUBE_SYSTEM, KubeadmConfig, Node};
use slipway_errors::{Code, Coded};
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

use super::findings::{block, found};
use super::first::first;
use super::gather::{Around, Upgrading, static_pods, upgrading};
use super::goal::{Goal, Wanted};
use super::judged;
use super::{Facts, Parameters};
use crate::endpoints::{masters_beside, refuse_dependents};
use crate::etcd::{EtcdView, look};
use crate::flows::etcd_part::with_agents;
use crate::flows::packages::{Repository, locked, packages};
use crate::flows::replace_etcd_member::Place;
use crate::pools::{MASTERS, share_of};
use crate::steps::{sick, tag};
use crate::versions::{Dotted, Finding, Severity, UNANSWERED, judge};
use crate::world::World;

/// Looks. What can be told as a finding is no error, so that all of it is seen at once.
pub(super) async fn facts(world: &World, parameters: &Parameters) -> Result<Facts, Coded> {
    let wanted = Wanted::parse(&parameters.target)?;
    let nodes = in_order(world.cluster.nodes(None).await?);
    let mut findings = Vec::new();
    let places = places(world, &nodes, &mut findings).await?;
    let config = world.cluster.kubeadm_config().await?.unwrap_or_default();
    let mut goal = goal(world, wanted, &places, &config).await?;
    let etcd = etcd(world, &mut findings).await?;
    let chosen = chosen(&nodes, parameters)?;
    let impasses = impasses(world, &chosen, parameters, &mut findings).await?;
    let told = judged::facts(world, goal.version, &places, &etcd, &config, impasses).await;
    let judgement = judge(&world.versions, &told);
    goal.etcd_image = etcd_image(judgement.raise_etcd.as_deref(), &places, parameters, &mut findings);
    findings.extend(judgement.findings.into_iter().map(|finding| graver(finding, &chosen)));
    let first = first(&places, &chosen, &config, goal.version).unwrap_or_else(|finding| {
        findings.push(finding);
        None
    });
    let around = Around { world, nodes: &nodes, etcd: &etcd, goal: &goal, parameters, first: first.as_ref() };
    let mut all = Vec::new();
    for place in places.iter().filter(|place| chosen.contains(&place.node.name)) {
        match upgrading(&around, place).await {
            Ok(upgrading) => all.push(upgrading),
            Err(error) => findings.push(block(&error)),
        }
    }
    findings.extend(left_behind(&nodes, goal.version, &chosen));
    findings.extend(of_members(&all, &etcd));
    findings.extend(of_hosts(&all, goal.version));
    findings.extend(of_pools(&nodes, &all, goal.version, world));
    of_addresses(world, &nodes, &all, &mut findings).await?;
    let masters = masters_beside(&nodes, None);
    let snapshot = if etcd.told_by.is_some() { with_agents(world, &masters).await? } else { Vec::new() };
    let kube_proxy = super::proxy::goes_along(world, &nodes, goal.version, &mut findings).await?;
    findings.sort_by_key(|finding| finding.severity);
    Ok(Facts {
        from: nodes.iter().filter_map(|node| node.version.parse().ok()).min(),
        masters: masters.len(),
        nodes: all,
        goal,
        kube_proxy,
        findings,
        sick: sick(&world.cluster.pods_in(KUBE_SYSTEM).await?),
        snapshot,
        settle_ms: world.settings.upgrade.settle_ms.into(),
        soak_ms: parameters.soak_s.map_or_else(|| world.settings.upgrade.soak_ms.into(), |soak| u64::from(soak) * 1000),
        planned_ms: world.clock.now().as_millisecond(),
    })
}

/// Masters first, each by its name.
fn in_order(mut nodes: Vec<Node>) -> Vec<Node> {
    nodes.sort_by(|a, b| (a.role != NodeRole::ControlPlane, &a.name).cmp(&(b.role != NodeRole::ControlPlane, &b.name)));
    nodes
}

/// The nodes with their hosts, as far as those answer.
async fn places(world: &World, nodes: &[Node], findings: &mut Vec<Finding>) -> Result<Vec<Place>, Coded> {
    let mut places = Vec::new();
    for node in nodes {
        match Place::of(world, nodes, &node.name).await {
            Ok(place) => places.push(place),
            Err(error) => findings.push(block(&error)),
        }
    }
    if places.is_empty() {
        return Err(Coded::new(Code::NODE_NO_AGENT, "no node has an agent that answers")
            .do_this("slipway host list shows the hosts; slipway token create --host NODE enrols one"));
    }
    Ok(places)
}

async fn goal(world: &World, wanted: Wanted, places: &[Place], config: &KubeadmConfig) -> Result<Goal, Coded> {
    let repository = Repository::of(world, &wanted.minor());
    let Some(place) = places.first() else { return Err(Coded::new(Code::NODE_NO_AGENT, "no host can be asked")) };
    let available = packages(world, &place.record, &repository).await?.available;
    Ok(Goal {
        version: wanted.among(&available)?,
        repository,
        images: config.images.clone(),
        ignored: world.settings.join.ignore_preflight_errors.clone(),
        etcd_image: None,
    })
}

/// How etcd stands; that nobody can say so blocks.
async fn etcd(world: &World, findings: &mut Vec<Finding>) -> Result<EtcdView, Coded> {
    let view = look(world, None).await?;
    if !view.is_set_up() {
        return Ok(view);
    }
    match view.clone().agreed() {
        Ok(view) => Ok(view),
        Err(error) => {
            findings.push(block(&error));
            Ok(view)
        }
    }
}

/// The nodes that the run is about.
fn chosen(nodes: &[Node], parameters: &Parameters) -> Result<Vec<NodeName>, Coded> {
    let named = crate::flows::choose::names(&parameters.nodes)?;
    if let Some(unknown) = named.iter().find(|name| !nodes.iter().any(|node| node.name == **name)) {
        return Err(Coded::new(Code::NODE_UNKNOWN, format!("there is no node {unknown}"))
            .do_this("slipway node list shows what there is"));
    }
    let wanted = |node: &&Node| {
        (named.is_empty() || named.contains(&node.name))
            && (!parameters.only_masters || node.role == NodeRole::ControlPlane)
    };
    Ok(nodes.iter().filter(wanted).map(|node| node.name.clone()).collect())
}

/// A worker that is not Ready may be left out; one that the run is about stands in its way. So does a node that could not be held against a rule
/// that refuses: what is not known is no yes.
fn graver(finding: Finding, chosen: &[NodeName]) -> Finding {
    let of_run = finding.node.as_ref().is_some_and(|node| chosen.contains(node));
    if ["rules.worker-not-ready", UNANSWERED].contains(&finding.rule.as_str()) && of_run {
        return Finding { severity: Severity::Block, ..finding };
    }
    finding
}

/// A worker is never newer than a master, nor is a master left out while a worker goes.
fn left_behind(nodes: &[Node], to: KubernetesVersion, chosen: &[NodeName]) -> Vec<Finding> {
    let of = |node: &&Node, role| node.role == role && chosen.contains(&node.name);
    if !nodes.iter().any(|node| of(&node, NodeRole::Worker)) {
        return Vec::new();
    }
    let old = |node: &&Node| node.version.parse::<KubernetesVersion>().is_ok_and(|version| version < to);
    let masters = nodes.iter().filter(|node| node.role == NodeRole::ControlPlane && !chosen.contains(&node.name));
    let stays = |node: &Node| {
        let text = format!("{} would stay at {}, and a worker is never newer than a master", node.name, node.version);
        found(Severity::Block, text, "upgrade all masters first: --only-masters")
    };
    masters.filter(old).map(stays).collect()
}

/// The image that members of etcd are raised to first.
fn etcd_image(
    tag_wanted: Option<&str>,
    places: &[Place],
    parameters: &Parameters,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    let wanted = tag_wanted?;
    let Some(given) = &parameters.etcd_image else {
        let now = places.iter().find_map(|place| static_pods(&place.facts).remove("etcd"))?;
        let repository = now.strip_suffix(&format!(":{}", tag(&now))).unwrap_or(&now);
        return Some(format!("{repository}:{wanted}"));
    };
    let number = |tag: &str| tag.parse::<Dotted>().ok();
    if number(tag(given)).is_none() || number(tag(given)) < number(wanted) {
        let text = format!("etcd has to be raised to {wanted} first, and {given} is not that new");
        findings.push(found(Severity::Block, text, "leave --etcd-image out, or name a later one"));
    }
    Some(given.clone())
}

/// Whether etcd bears that each master restarts, and who stays cordoned.
fn of_members(all: &[Upgrading], etcd: &EtcdView) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in all {
        if node.foreign_cordon {
            let text = format!("{} was cordoned by somebody else", node.name);
            findings.push(found(Severity::Note, text, "it is upgraded, and stays cordoned"));
        }
        let Some(master) = node.master.as_ref().filter(|master| !master.others.is_empty()) else { continue };
        let Some(member) = master.member else { continue };
        if let Verdict::Refused { text } = project(&etcd.members, &Change::Stop(member)).verdict {
            findings.push(found(Severity::Block, format!("{}: {text}", node.name), way_to_bear_a_stop(&etcd.members)));
        }
    }
    findings
}

/// What lets one member stop while the others go on.
fn way_to_bear_a_stop(members: &[Member]) -> &'static str {
    if members.iter().any(|member| !member.counts()) {
        return "slipway etcd status shows each member; bring the others up first";
    }
    "nobody is down, but these are too few for one of them to stop: join a third master first (slipway node join HOST --role control-plane)"
}

/// What each host could have, and what a drain would meet there.
fn of_hosts(all: &[Upgrading], to: KubernetesVersion) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in all {
        if !node.packages.available.contains(&to) {
            let text = format!("{} does not find {to} in the repository", node.name);
            findings.push(found(
                Severity::Block,
                text,
                "look there whether it reaches the repository, and which mirror",
            ));
        }
        let locked = locked(node.name.as_str(), &node.packages.locked_by);
        findings.extend(locked.map(|text| found(Severity::Warn, text, "on the host, ps shows what it is at")));
        let warnings = node.evacuation.warnings.iter();
        findings.extend(warnings.map(|text| found(Severity::Warn, format!("{}: {text}", node.name), "")));
    }
    findings
}

/// A pool whose budget is used up by nodes that somebody else cordoned: none of the others could ever be begun.
fn of_pools(nodes: &[Node], all: &[Upgrading], to: KubernetesVersion, world: &World) -> Vec<Finding> {
    let todo = |node: &&Upgrading| !node.is_done(to);
    let mut findings = Vec::new();
    let pools: BTreeMap<&str, u32> = all.iter().filter(todo).map(|node| (node.pool.as_str(), node.limit)).collect();
    for (pool, limit) in pools {
        let of_pool = |node: &&Node| share_of(node.role, &node.labels, &world.settings.budget).pool == pool;
        let cordoned: Vec<&Node> = nodes.iter().filter(of_pool).filter(|node| node.unschedulable).collect();
        let out = |node: &&Upgrading| !cordoned.iter().any(|one| one.name == node.name);
        let waits = all.iter().filter(todo).filter(|node| node.pool == pool).any(|node| out(&node));
        if !waits || cordoned.len() < limit as usize {
            continue;
        }
        let names: Vec<String> = cordoned.iter().map(|node| node.name.to_string()).collect();
        let text = format!("the budget of pool {pool} is {limit}, and cordoned already: {}", names.join(", "));
        let way = match pool {
            MASTERS => "uncordon it, when whoever cordoned it agrees: masters go one at a time".to_owned(),
            _ => format!("uncordon it, when whoever cordoned it agrees, or say --budget {}", cordoned.len() + 1),
        };
        findings.push(found(Severity::Block, text, way));
    }
    findings
}

/// Budgets that no waiting opens; where they are gone past anyway they are only told.
async fn impasses(
    world: &World,
    chosen: &[NodeName],
    parameters: &Parameters,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Impasse>, Coded> {
    let held = world.cluster.budget_impasses(chosen, parameters.drain.options().flags).await?;
    if !parameters.drain.disable_eviction {
        return Ok(held);
    }
    findings.extend(held.into_iter().map(|one| found(Severity::Warn, one.sentence, one.way_out)));
    Ok(Vec::new())
}

/// Whoever reaches the API by the address of one master alone is without it for a while.
async fn of_addresses(
    world: &World,
    nodes: &[Node],
    all: &[Upgrading],
    findings: &mut Vec<Finding>,
) -> Result<(), Coded> {
    for node in all.iter().filter(|node| node.master.as_ref().is_some_and(|master| !master.others.is_empty())) {
        let Some(node) = nodes.iter().find(|one| one.name == node.name) else { continue };
        match refuse_dependents(world, node).await {
            Ok(()) => {}
            Err(error) if error.code == Code::API_SERVER_ADDRESS => {
                let text = format!("{}; they are without it for minutes", error.message);
                findings.push(found(Severity::Warn, text, error.way_out.unwrap_or_default()));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_healthy_members_are_too_few_and_nobody_is_to_be_brought_up() {
        let member = |name: &str, healthy: bool| -> Member {
            let object = serde_json::json!({
                "id": "a1", "name": name, "peer_urls": [], "client_urls": [], "learner": false, "healthy": healthy, "version": "",
                "db_size": 0, "leader": false, "raft_index": 0, "alarms": [],
            });
            serde_json::from_value(object).unwrap()
        };
        let way = |members: &[Member]| way_to_bear_a_stop(members);
        assert!(way(&[member("m1", true), member("m2", true)]).contains("join a third master"));
        assert!(way(&[member("m1", true), member("m2", false), member("m3", true)]).contains("bring the others up"));
    }

    #[test]
    fn a_node_that_did_not_say_enough_blocks_the_run_that_is_about_it_and_no_other() {
        let name = |name: &str| name.parse::<NodeName>().unwrap();
        let silent = Finding {
            rule: UNANSWERED.to_owned(),
            node: Some(name("w1")),
            ..found(Severity::Warn, "w1 did not say enough", "see why")
        };
        assert_eq!(graver(silent.clone(), &[name("w1")]).severity, Severity::Block);
        assert_eq!(graver(silent, &[name("w2")]).severity, Severity::Warn);
    }
}
