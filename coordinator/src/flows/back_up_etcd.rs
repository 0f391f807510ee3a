//! `back-up-etcd`: a verified, encrypted snapshot of etcd comes to lie with the coordinator, taken from the first master that can give one.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::Coded;
use slipway_flow::{Flow, Plan};

use super::etcd_part::survivors_of;
use super::parameters::{facts, read, schema, stored};
use crate::etcd::agreed;
use crate::steps::{HostTarget, SnapshotEtcd};
use crate::world::World;

/// See the module.
pub(super) struct BackUpEtcd;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    masters: Vec<HostTarget>,
    planned_ms: i64,
}

#[async_trait]
impl Flow<World> for BackUpEtcd {
    fn name(&self) -> &'static str {
        "back-up-etcd"
    }

    fn summary(&self) -> &'static str {
        "keeps a verified, encrypted snapshot of etcd with the coordinator"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let _: Parameters = read(params)?;
        agreed(world, None).await?;
        let nodes = world.cluster.nodes(None).await?;
        let masters = survivors_of(world, &nodes, None).await?;
        stored(&Facts { masters, planned_ms: world.clock.now().as_millisecond() })
    }

    fn plan(&self, _params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let facts: Facts = facts(stored)?;
        Plan::of(self.name())
            .title("a snapshot of etcd")
            .phase("snapshot", |phase| {
                phase.step(SnapshotEtcd { node: None, survivors: facts.masters.clone(), since_ms: facts.planned_ms })
            })
            .build()
    }
}
