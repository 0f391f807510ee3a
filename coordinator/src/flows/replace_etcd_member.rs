//! `replace-etcd-member`: where etcd is a unit of systemd, a member goes and another one takes its place on another host. The new one votes
//! before anybody is pointed to it, every API server asks it before the old one goes, and the old one goes last: at no moment are there fewer
//! healthy members than at the beginning.

mod comes;
mod facts;
mod goes;
mod servers;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, OnFailure, Plan};
use slipway_types::NodeName;

use super::claims::CONTROL_PLANE;
use super::parameters::{read, schema, stored};
use super::scale_in::wipe_etcd_data;
use crate::steps::{
    AddEtcdLearner, Consent, EtcdKeepsQuorum, EtcdMayGrow, MoveEtcdLeader, PromoteEtcdLearner, SnapshotEtcd,
};
use crate::world::World;
use facts::Facts;
pub(in crate::flows) use facts::{Place, clear, listed};

/// See the module.
pub(super) struct ReplaceEtcdMember;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The node whose member goes; one for each run.
    #[serde(default)]
    nodes: Vec<String>,
    /// The node on whose host the new member comes up. Program and certificates of etcd lie there already.
    #[serde(default)]
    on: String,
    #[serde(flatten)]
    consent: Consent,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

impl Parameters {
    /// The old node and the new one.
    fn names(&self) -> Result<(NodeName, NodeName), Coded> {
        let mut given = super::choose::names(&self.nodes)?;
        let (Some(old), true) = (given.pop_first(), given.is_empty()) else {
            return Err(Coded::new(
                Code::RUN_BAD_PARAMETER,
                "one member is replaced by each run, and one node is to be named",
            )
            .do_this("slipway etcd replace-member NODE --on NEWNODE"));
        };
        if self.on.is_empty() {
            return Err(Coded::new(
                Code::RUN_BAD_PARAMETER,
                format!("no node is named for what replaces the member of {old}"),
            )
            .do_this("slipway etcd replace-member NODE --on NEWNODE"));
        }
        let new = NodeName::new(self.on.as_str()).map_err(|error| Coded::new(Code::NODE_UNKNOWN, error.to_string()))?;
        if new == old {
            return Err(Coded::new(Code::NODE_NAMED_TWICE, format!("{old} cannot take the place of its own member"))
                .do_this("name a node without a member of etcd behind --on"));
        }
        Ok((old, new))
    }
}

#[async_trait]
impl Flow<World> for ReplaceEtcdMember {
    fn name(&self) -> &'static str {
        "replace-etcd-member"
    }

    fn summary(&self) -> &'static str {
        "replaces a member of an etcd under systemd by a new one on another host; every API server follows"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        stored(&facts::gather(world, &read(params)?).await?)
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, super::parameters::facts(stored)?);
        let (old, newcomer) = (facts.old.node.clone(), facts.newcomer.clone());
        let mut plan = Plan::of(self.name())
            .title(format!("the member of etcd on {old} is replaced by one on {}", newcomer.host.node))
            .claims(CONTROL_PLANE)
            .disrupts();
        for (node, pool) in &facts.held {
            plan = plan.node(node, pool);
        }
        plan = facts.warnings().into_iter().fold(plan, slipway_flow::PlanBuilder::warn);
        plan.phase("preflight", |phase| {
            phase.step(EtcdMayGrow { newcomer: newcomer.clone(), sentence: facts.grows.clone() }).step(SnapshotEtcd {
                node: Some(old.clone()),
                survivors: newcomer.survivors.clone(),
                since_ms: facts.planned_ms,
            })
        })
        .phase("new member", |phase| {
            phase
                .step(AddEtcdLearner { newcomer: newcomer.clone() })
                .step(facts.coming.step(&newcomer))
                .step(PromoteEtcdLearner { newcomer: newcomer.clone() })
        })
        .for_each(facts.api_servers.iter().map(|server| &server.target.node), |name, lane| {
            let Some(server) = facts.api_servers.iter().find(|server| server.target.node == *name) else { return lane };
            lane.phase("API server", |phase| phase.step(server.step(&facts.servers)))
        })
        .phase("last look", |phase| phase.step(no_leader(&facts)).step(still_keeps_quorum(&facts, &parameters)))
        .point_of_no_return("the old member leaves etcd")
        .phase("leave etcd", |phase| phase.steps(facts.part.leave(Some(&old), parameters.consent)))
        .phase("clean host", |phase| {
            phase.step(goes::stop_etcd(&facts.old)).step(wipe_etcd_data(&facts.old, &facts.data_dir))
        })
        .build()
    }
}

/// Turning back here would take a healthy member away while something is wrong, so these two stand still instead.
fn no_leader(facts: &Facts) -> MoveEtcdLeader {
    MoveEtcdLeader { host: facts.old.clone(), member: facts.part.member.id, on_failure: OnFailure::Pause }
}

fn still_keeps_quorum(facts: &Facts, parameters: &Parameters) -> EtcdKeepsQuorum {
    let look = facts.part.keeps_quorum(Some(&facts.old.node), parameters.consent, "etcd-keeps-quorum");
    EtcdKeepsQuorum { on_failure: OnFailure::Pause, ..look }
}

#[cfg(test)]
#[path = "replace_etcd_member/plan_tests.rs"]
mod tests;
