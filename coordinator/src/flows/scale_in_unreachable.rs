//! `scale-in-unreachable`: a node whose host no longer answers leaves the cluster. Silence proves nothing: a host that is only cut off goes on
//! writing to its volumes. So without somebody's word that it has no power, only what cannot harm is done; and the host keeps the identity of
//! its agent, so that it is cleaned when it comes back.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::etcd::{match_members, member_of_silent};
use slipway_cluster::{CredentialId, FencingProof, Node, is_foreign_cordon};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan, PlanBuilder};
use slipway_proto::types::HostFacts;
use slipway_types::{HostId, NodeName, NodeRole};

use super::claims::CONTROL_PLANE;
use super::etcd_part::EtcdPart;
use super::parameters::{Chosen, facts, read, schema, stored};
use crate::etcd::{EtcdView, look};
use crate::fleet::{HostRecord, HostState, kubelet_credential};
use crate::pools::{MASTERS, share_of};
use crate::steps::{
    Consent, Cordon, DeleteNode, DenyKubelet, GiveUpPods, HostIsSilent, NodeIsGone, NothingIsHeld, ReleaseHost,
    VolumesDetached, refuse_one_that_answers,
};
use crate::world::World;

/// See the module.
pub(super) struct ScaleInUnreachable;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The node, by its name; one for each run.
    #[serde(default)]
    nodes: Vec<String>,
    /// The words `NODE is powered off`, by somebody who has made sure of it; none: only what cannot harm is done.
    #[serde(default)]
    fenced: Option<String>,
    #[serde(flatten)]
    consent: Consent,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    name: NodeName,
    uid: String,
    pool: String,
    foreign_cordon: bool,
    host: HostId,
    credential: Option<CredentialId>,
    etcd: Option<EtcdPart>,
    /// What the node holds that could be harmed; empty: nothing.
    held: String,
}

#[async_trait]
impl Flow<World> for ScaleInUnreachable {
    fn name(&self) -> &'static str {
        "scale-in-unreachable"
    }

    fn summary(&self) -> &'static str {
        "takes a node out of the cluster whose host no longer answers; more than what cannot harm needs a proof that it is off"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let node = the_node(world, &parameters.nodes).await?;
        let host = world.host_of(&node.name).await?;
        refuse_one_that_answers(world, &node.name, &host.id).await?;
        if let Some(words) = &parameters.fenced {
            FencingProof::check_words(&node.name, words)?;
        }
        let heard = world.fleet.view(&host.id).facts;
        let held = world.cluster.harmless(&node.name).await?;
        stored(&Facts {
            etcd: match node.role {
                NodeRole::ControlPlane => etcd(world, &node, parameters.consent).await?,
                NodeRole::Worker => None,
            },
            pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
            foreign_cordon: is_foreign_cordon(&node),
            credential: credential(heard.as_ref(), &host),
            host: host.id,
            held: if held.is_harmless() { String::new() } else { held.sentence() },
            name: node.name,
            uid: node.uid,
        })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let name = facts.name.clone();
        let quorum =
            facts.etcd.as_ref().map(|etcd| etcd.keeps_quorum(Some(&name), parameters.consent, "etcd-keeps-quorum"));
        let plan = Plan::of(self.name())
            .title(format!("scale-in {name}, whose host does not answer"))
            .node(&name, &facts.pool)
            .disrupts()
            .when(facts.pool == MASTERS, |plan| plan.claims(CONTROL_PLANE))
            .phase("look", |phase| phase.step(silent(&facts)).step_if(quorum))
            .phase("isolate", |phase| {
                phase.step(cordon(&facts, &parameters)).step(DenyKubelet {
                    node: name.clone(),
                    credential: facts.credential.clone(),
                    silent: silent(&facts),
                })
            })
            .when(facts.is_final(&parameters), |plan| plan.point_of_no_return("the node leaves the cluster"));
        let plan = match &facts.etcd {
            Some(etcd) => plan.phase("leave etcd", |phase| phase.steps(etcd.leave(Some(&name), parameters.consent))),
            None => plan,
        };
        give_up(plan, &facts, &parameters)
            .when(facts.is_final(&parameters), |plan| {
                let state = HostState::ToBeCleaned;
                let host = ReleaseHost { node: name.clone(), host: facts.host.clone(), state };
                plan.phase("remember", |phase| phase.step(host))
            })
            .build()
    }
}

impl Facts {
    /// Whether anything is done that the host cannot come back from. A worker that holds something, and of which nobody knows whether it is off,
    /// is only isolated: if it is found alive, it is drained like any other, or taken back.
    fn is_final(&self, parameters: &Parameters) -> bool {
        parameters.fenced.is_some() || self.held.is_empty() || self.etcd.is_some()
    }
}

fn cordon(facts: &Facts, parameters: &Parameters) -> Cordon {
    Cordon {
        node: facts.name.clone(),
        uid: facts.uid.clone(),
        owner: parameters.actor.clone(),
        reason: "unreachable".to_owned(),
        foreign: facts.foreign_cordon,
        for_disruption: true,
        silent: Some(silent(facts)),
    }
}

fn silent(facts: &Facts) -> HostIsSilent {
    HostIsSilent { node: facts.name.clone(), host: facts.host.clone() }
}

/// With a proof everything goes; without one only a node that holds nothing.
fn give_up(plan: PlanBuilder<World>, facts: &Facts, parameters: &Parameters) -> PlanBuilder<World> {
    let name = facts.name.clone();
    let node = || DeleteNode { node: name.clone(), uid: facts.uid.clone() };
    match (&parameters.fenced, facts.held.is_empty()) {
        (Some(words), _) => plan
            .phase("give up", |phase| {
                phase
                    .step(GiveUpPods {
                        node: name.clone(),
                        uid: facts.uid.clone(),
                        by: parameters.actor.clone(),
                        words: words.clone(),
                        silent: silent(facts),
                    })
                    .step(VolumesDetached { node: name.clone() })
            })
            .phase("leave", |phase| phase.step(node()).step(NodeIsGone { node: name.clone() })),
        (None, true) => plan.phase("leave", |phase| {
            phase.step(NothingIsHeld { node: name.clone() }).step(node()).step(NodeIsGone { node: name.clone() })
        }),
        (None, false) => plan.warn(format!(
            "{name} stays a Node: {}, and nothing proves that its host is off. Once it is, run it again with --fenced {:?}; if it comes back, \
             slipway node recover {name} takes it back, slipway node remove {name} drains and removes it",
            facts.held,
            FencingProof::wanted_words(&name)
        )),
    }
}

/// What its kubelet speaks with: as this coordinator heard it; if it heard nothing yet, as one before did.
fn credential(heard: Option<&HostFacts>, host: &HostRecord) -> Option<CredentialId> {
    heard.map_or_else(|| host.kubelet_credential.clone(), kubelet_credential)
}

async fn the_node(world: &World, names: &[String]) -> Result<Node, Coded> {
    let chosen = Chosen { nodes: names.to_vec(), ..Chosen::default() };
    let mut nodes = super::choose::choose(world, &chosen).await?;
    match (nodes.pop(), nodes.is_empty()) {
        (Some(node), true) => Ok(node),
        _ => Err(Coded::new(Code::RUN_BAD_PARAMETER, "an unreachable node is taken out alone")
            .do_this("one run for each; each needs a word of its own that it is off")),
    }
}

async fn etcd(world: &World, node: &Node, consent: Consent) -> Result<Option<EtcdPart>, Coded> {
    let nodes = world.cluster.nodes(None).await?;
    let view = look(world, Some(&node.name)).await?;
    if runs_elsewhere(&view) {
        return Ok(None);
    }
    let view = view.agreed()?;
    if !match_members(&view.members, &nodes, &view.reports).iter().any(|one| one.node.as_ref() == Some(&node.name)) {
        // It was taken out before, as by a run that had no proof yet.
        return Ok(None);
    }
    let member = member_of_silent(&node.name, &view.members, &nodes, &view.reports);
    EtcdPart::of(world, Some(&node.name), &nodes, (&view, member), consent).await.map(Some)
}

/// Somebody has to say so: where no master could be asked, as while the API server is away, the member would stay for ever.
fn runs_elsewhere(view: &EtcdView) -> bool {
    !view.is_set_up() && !view.without.is_empty() && view.silent.len() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_masters_word_says_that_etcd_runs_elsewhere() {
        assert!(!runs_elsewhere(&EtcdView::default()), "nobody was asked");
        let said = EtcdView { without: vec!["m2".parse().unwrap()], ..EtcdView::default() };
        assert!(runs_elsewhere(&said));
        let silent = ["m1", "m3"].map(|name| (name.parse().unwrap(), "cut off".to_owned()));
        assert!(!runs_elsewhere(&EtcdView { silent: silent.into(), ..said }));
    }
}
