//! Plans, as the product's flows make them: what is to be known is gathered once and stored with the run, and the plan is a pure function of it.
//! They are shorter than the product's; the order of what may hurt is the same.

use serde::{Deserialize, Serialize};
use slipway_coordinator::steps::Consent;
use slipway_flow::{Book, LaneBuilder, Plan, PlanBuilder, Step};
use slipway_types::{NodeName, NodeRole};
use std::sync::Arc;

use crate::deed::Deed;
use crate::mutants::Mutant;
use crate::people::Wish;
use crate::site::Site;
use crate::steps::{
    AGAIN, AddLearner, BearsStop, Cordon, DeleteNode, Drain, HostDeed, KeepsQuorum, LeavesEtcd, Promote, PutBack,
    Serves, StaysEmpty, Uncordon,
};

/// What one run at a time has: who the masters are.
const CONTROL_PLANE: &str = "control-plane";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    name: NodeName,
    uid: String,
    host: usize,
    master: bool,
    member: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Facts {
    nodes: Vec<Known>,
    masters: Vec<(NodeName, usize)>,
    limit: usize,
}

/// Gathers what is to be known, and makes the plan; none where it cannot be made.
pub async fn plan(site: &Site, wish: &Wish) -> Option<(String, Plan<Site>)> {
    let nodes = site.nodes().await.ok()?;
    let hosts: Vec<(NodeName, usize)> =
        nodes.iter().filter_map(|node| Some((node.name.clone(), site.host_of(&node.name)?))).collect();
    let is_master =
        |name: &NodeName| nodes.iter().any(|node| node.name == *name && node.role == NodeRole::ControlPlane);
    let masters: Vec<_> = hosts.iter().filter(|(name, _)| is_master(name)).cloned().collect();
    let numbers: Vec<usize> = masters.iter().map(|(_, host)| *host).collect();
    let members = site.members(&numbers).await.ok()?;
    let wanted: Vec<NodeName> = match wish {
        Wish::Isolate(node) | Wish::Recover(node) | Wish::Drain(node) | Wish::Remove { node, .. } => vec![node.clone()],
        Wish::Join(node) => return Some(join(site, node, masters)).flatten(),
        Wish::Restart { masters, .. } => {
            nodes.iter().map(|node| node.name.clone()).filter(|name| is_master(name) == *masters).collect()
        }
    };
    let known = |name: &NodeName| {
        let node = nodes.iter().find(|node| node.name == *name)?;
        let member = members.iter().find(|member| member.name == name.as_str()).map(|member| member.id.0);
        Some(Known {
            name: name.clone(),
            uid: node.uid.clone(),
            host: site.host_of(name)?,
            master: is_master(name),
            member,
        })
    };
    let limit = site.shared.world().budget as usize;
    let facts = Facts { nodes: wanted.iter().map(known).collect::<Option<_>>()?, masters, limit };
    finish(wish, facts, site.mutant)
}

/// A host that is no node yet.
fn join(site: &Site, node: &NodeName, masters: Vec<(NodeName, usize)>) -> Option<(String, Plan<Site>)> {
    let host = site.host_of(node)?;
    let master = site.shared.world().hosts.get(host)?.role == NodeRole::ControlPlane;
    if masters.iter().any(|(name, _)| name == node) {
        return None;
    }
    let known = Known { name: node.clone(), uid: String::new(), host, master, member: None };
    finish(&Wish::Join(node.clone()), Facts { nodes: vec![known], masters, limit: 1 }, site.mutant)
}

fn finish(wish: &Wish, facts: Facts, mutant: Option<Mutant>) -> Option<(String, Plan<Site>)> {
    let plan = make(wish, &facts, mutant)?;
    Some((serde_json::to_string(&facts).ok()?, plan))
}

/// The plan of a run, made again from what was stored; none if it would be another one.
pub fn again(book: &Book, mutant: Option<Mutant>) -> Option<Plan<Site>> {
    let (wish, facts) = (serde_json::from_str(&book.params).ok()?, serde_json::from_str(&book.facts).ok()?);
    make(&wish, &facts, mutant).filter(|plan| plan.fingerprint() == book.fingerprint)
}

fn make(wish: &Wish, facts: &Facts, mutant: Option<Mutant>) -> Option<Plan<Site>> {
    let flow = match wish {
        Wish::Isolate(_) => "isolate",
        Wish::Recover(_) => "recover",
        Wish::Drain(_) => "drain",
        Wish::Remove { .. } => "remove",
        Wish::Join(_) => "join",
        Wish::Restart { .. } => "restart",
    };
    let mut plan = Plan::of(flow);
    for node in &facts.nodes {
        plan = plan.node(&node.name, if node.master { "masters" } else { "workers" });
    }
    let node = facts.nodes.first()?;
    let cordon = |node: &Known, disrupts| Cordon { node: node.name.clone(), uid: node.uid.clone(), disrupts };
    let drain = |node: &Known| Drain { node: node.name.clone(), uid: node.uid.clone() };
    match wish {
        Wish::Isolate(_) => plan.phase("isolate", |phase| phase.step(cordon(node, false))),
        Wish::Recover(_) => {
            plan.phase("recover", |phase| phase.step(Uncordon { node: node.name.clone(), uid: node.uid.clone() }))
        }
        Wish::Drain(_) => plan.phase("evacuate", |phase| phase.step(cordon(node, true)).step(drain(node))),
        Wish::Remove { less_tolerance, one_member, .. } => {
            let consent = if mutant == Some(Mutant::NoWordAsked) {
                Consent { accept_less_tolerance: true, leave_one_etcd_member: true }
            } else {
                Consent { accept_less_tolerance: *less_tolerance, leave_one_etcd_member: *one_member }
            };
            return remove(plan, node, facts, consent);
        }
        Wish::Join(_) => {
            let others = facts.masters.clone();
            let plan = if node.master { plan.claims(CONTROL_PLANE) } else { plan };
            plan.when(node.master, |plan| {
                let (name, host, others) = (node.name.clone(), node.host, others.clone());
                plan.phase("learner", |phase| phase.step(AddLearner { node: name, host, others }))
            })
            .phase("join", |phase| phase.step(HostDeed::new(&node.name, node.host, Deed::Join)))
            .when(node.master, |plan| {
                plan.phase("promote", |phase| phase.step(Promote { node: node.name.clone(), others }))
            })
            .phase("serve", |phase| phase.step(Serves { node: node.name.clone() }))
        }
        Wish::Restart { masters, release } => {
            let plan = if *masters { plan.claims(CONTROL_PLANE) } else { plan };
            let names: Vec<NodeName> = facts.nodes.iter().map(|node| node.name.clone()).collect();
            let of = |name: &NodeName| facts.nodes.iter().find(|node| node.name == *name);
            let lane = |name: &NodeName, lane: LaneBuilder<Site>| match of(name) {
                Some(node) => restart(node, facts, *release, lane),
                None => lane,
            };
            plan.for_each(&names, lane).at_most(if *masters { 1 } else { facts.limit + 1 })
        }
    }
    .build()
    .ok()
}

/// The order of a removal, as the runbook has it.
fn remove(plan: PlanBuilder<Site>, node: &Known, facts: &Facts, consent: Consent) -> Option<Plan<Site>> {
    let others: Vec<_> = facts.masters.iter().filter(|(name, _)| *name != node.name).cloned().collect();
    let name = || node.name.clone();
    let look = |step: &'static str| {
        let member = node.member.filter(|_| node.master)?;
        Some(KeepsQuorum { node: name(), member, consent, name: step, others: others.clone() })
    };
    let leaves = node.member.map(|member| LeavesEtcd { node: name(), member, consent, others: others.clone() });
    let first = look("etcd-keeps-quorum");
    if node.master && others.is_empty() {
        return None;
    }
    let plan = if node.master { plan.claims(CONTROL_PLANE) } else { plan };
    let deed = |deed| HostDeed::new(&node.name, node.host, deed);
    plan.phase("preflight", |phase| phase.step_if(first))
        .phase("evacuate", |phase| {
            phase
                .step(Cordon { node: name(), uid: node.uid.clone(), disrupts: true })
                .step(Drain { node: name(), uid: node.uid.clone() })
        })
        .phase("last look", |phase| phase.step_if(look(AGAIN)))
        .point_of_no_return("the node leaves the cluster")
        .phase("leave etcd", |phase| phase.step_if(leaves.filter(|_| node.master)))
        .phase("clean host", |phase| {
            phase.step(deed(Deed::Mask).only_if(vec![stays_empty(node)])).step(deed(Deed::Reset))
        })
        .phase("leave", |phase| phase.step(DeleteNode { node: name(), uid: node.uid.clone() }))
        .build()
        .ok()
}

fn stays_empty(node: &Known) -> Arc<dyn Step<Site>> {
    Arc::new(StaysEmpty { node: node.name.clone(), uid: node.uid.clone() })
}

/// A node from its last look to its return.
fn restart(node: &Known, facts: &Facts, release: u32, lane: LaneBuilder<Site>) -> LaneBuilder<Site> {
    let bears = || {
        let member = node.member.filter(|_| node.master)?;
        Some(BearsStop { node: node.name.clone(), member, masters: facts.masters.clone() })
    };
    let bear = bears().map(|step| Arc::new(step) as Arc<dyn Step<Site>>);
    let only_if = bear.into_iter().chain([stays_empty(node)]).collect();
    let deed = HostDeed::new(&node.name, node.host, Deed::Restart(release));
    lane.phase("evacuate", |phase| {
        phase
            .step(Cordon { node: node.name.clone(), uid: node.uid.clone(), disrupts: true })
            .step(Drain { node: node.name.clone(), uid: node.uid.clone() })
    })
    .phase("last look", |phase| phase.step_if(bears()))
    .point_of_no_return("it is restarted")
    .phase("restart", |phase| phase.step(deed.only_if(only_if)))
    .phase("settle", |phase| phase.step(Serves { node: node.name.clone() }))
    .phase("return", |phase| phase.step(PutBack { node: node.name.clone(), uid: node.uid.clone() }))
}
