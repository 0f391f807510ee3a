//! `remove-etcd-member`: a member that belongs to no node leaves etcd. It was added and never started, or its node went without it; either way
//! it counts against the quorum and blocks whoever wants to join. A member of a node leaves with its node, and not by this.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::etcd::{MemberId, Ownerless, OwnerlessProof, ownerless};
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};

use super::claims::CONTROL_PLANE;
use super::etcd_part::EtcdPart;
use super::parameters::{facts, read, schema, stored};
use crate::etcd::{EtcdView, agreed};
use crate::steps::Consent;
use crate::world::World;

/// See the module.
pub(super) struct RemoveEtcdMemberFlow;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The member's id, in hexadecimal, as `etcd status` and etcdctl write it.
    member: String,
    /// The operator's word that no etcd of this member ever starts again, where no agent can prove it.
    #[serde(default)]
    gone: Option<String>,
    #[serde(flatten)]
    consent: Consent,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    part: EtcdPart,
    proof: OwnerlessProof,
}

#[async_trait]
impl Flow<World> for RemoveEtcdMemberFlow {
    fn name(&self) -> &'static str {
        "remove-etcd-member"
    }

    fn summary(&self) -> &'static str {
        "takes a member out of etcd that belongs to no node: one that never started, or whose node is gone"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let id: MemberId = parameters.member.parse().map_err(|_| {
            Coded::new(Code::RUN_BAD_PARAMETER, format!("{:?} is no id of a member", parameters.member))
                .do_this("slipway etcd status shows the ids, in hexadecimal")
        })?;
        let nodes = world.cluster.nodes(None).await?;
        let view = agreed(world, None).await?;
        let all = ownerless(&view.members, &nodes, &view.reports, &[]);
        let found = all.into_iter().find(|one| one.member.id == id).ok_or_else(|| not_ownerless(&view, id))?;
        let proof = proof(&found, &parameters)?;
        let part = EtcdPart::of(world, None, &nodes, (&view, Ok(found.member)), parameters.consent).await?;
        stored(&Facts { part, proof })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let because = match &facts.proof {
            OwnerlessProof::HostIsBare(node) => format!("the agent of {node} finds neither data nor a process of etcd"),
            OwnerlessProof::OperatorsWord { by, statement } => format!("{by} says: {statement}"),
        };
        Plan::of(self.name())
            .title(format!("take {} out of etcd, for {because}", facts.part.member.label()))
            .claims(CONTROL_PLANE)
            .phase("look", |phase| phase.step(facts.part.keeps_quorum(None, parameters.consent, "etcd-keeps-quorum")))
            .point_of_no_return("the member leaves etcd")
            .phase("leave etcd", |phase| phase.steps(facts.part.leave(None, parameters.consent)))
            .build()
    }
}

fn proof(found: &Ownerless, parameters: &Parameters) -> Result<OwnerlessProof, Coded> {
    let word = parameters.gone.as_deref().map(|statement| (parameters.actor.as_str(), statement));
    found.proof(word).map_err(|why| {
        Coded::new(Code::MEMBER_OWNERLESS, why).do_this(
            "--gone TEXT is your word, kept in the run's record, that no etcd of this member ever starts again",
        )
    })
}

/// It is somebody's, or nobody has heard of it.
fn not_ownerless(view: &EtcdView, id: MemberId) -> Coded {
    match view.member(id) {
        Some(member) => Coded::new(
            Code::MEMBER_MISMATCH,
            format!("{} is a member with a host of its own, and leaves with it", member.label()),
        )
        .do_this("slipway node remove NODE, with --unreachable if its host does not answer"),
        None => Coded::new(Code::RUN_BAD_PARAMETER, format!("etcd has no member {id}"))
            .do_this("slipway etcd status shows the ids"),
    }
}
