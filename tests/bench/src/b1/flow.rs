//! A procedure of ten steps for each host. Each is an action as real flows send it, over a host that only exists in memory: the unit of the
//! kubelet is masked and unmasked in turn, so that every step finds something to do, does it, and sees that it is done.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_coordinator::steps::{HostAction, HostTarget};
use slipway_coordinator::world::World;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan};
use slipway_proto::types::{Action, MaskKubelet, UnmaskKubelet, action};
use slipway_types::NodeName;

/// The steps, as an upgrade of a worker would have them.
pub(super) const NAMES: [&str; 10] =
    ["preflight", "cordon", "drain", "backup", "stop", "packages", "configure", "start", "verify", "uncordon"];
const DEADLINE: Duration = Duration::from_mins(1);

/// What it is started by.
pub(crate) const NAME: &str = "ten-steps";

/// See the module.
pub(crate) struct TenSteps;

#[derive(Serialize, Deserialize)]
struct Facts {
    hosts: Vec<HostTarget>,
}

#[async_trait]
impl Flow<World> for TenSteps {
    fn name(&self) -> &'static str {
        NAME
    }

    fn summary(&self) -> &'static str {
        "leads every host through ten steps"
    }

    fn params_schema(&self) -> Value {
        serde_json::json!({ "type": "object" })
    }

    async fn facts(&self, world: &World, _params: &Value) -> Result<Value, Coded> {
        let hosts = world.hosts.list().await?;
        let target = |host: slipway_coordinator::fleet::HostRecord| {
            let node = NodeName::new(host.name).map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))?;
            Ok(HostTarget { node, host_id: host.id, machine_id: host.machine_id })
        };
        let hosts: Vec<HostTarget> = hosts.into_iter().map(target).collect::<Result<_, Coded>>()?;
        serde_json::to_value(Facts { hosts }).map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))
    }

    fn plan(&self, _params: &Value, facts: &Value) -> Result<Plan<World>, Coded> {
        let facts = Facts::deserialize(facts).map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))?;
        let mut plan = Plan::of(self.name());
        for host in &facts.hosts {
            plan = plan.node(&host.node, "workers");
        }
        let nodes = facts.hosts.iter().map(|host| &host.node);
        let of = |node: &NodeName| facts.hosts.iter().find(|host| host.node == *node);
        let lanes = plan.for_each(nodes, |node, lane| match of(node) {
            Some(host) => lane.phase("steps", |phase| {
                NAMES.iter().enumerate().fold(phase, |phase, (number, name)| phase.step(step(host, number, name)))
            }),
            None => lane,
        });
        lanes.at_most(facts.hosts.len()).build()
    }
}

fn step(host: &HostTarget, number: usize, name: &'static str) -> HostAction {
    let action = if number.is_multiple_of(2) {
        action::Action::MaskKubelet(MaskKubelet {})
    } else {
        action::Action::UnmaskKubelet(UnmaskKubelet {})
    };
    HostAction::once(host, Action { action: Some(action) }, name, DEADLINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_goes_through_ten_steps_and_all_hosts_at_once() {
        let host = |number: usize| HostTarget {
            node: NodeName::new(format!("w{number}")).unwrap(),
            host_id: format!("h{number}").into(),
            machine_id: format!("m{number}"),
        };
        let facts = serde_json::to_value(Facts { hosts: (0..3).map(host).collect() }).unwrap();
        let plan = TenSteps.plan(&Value::Null, &facts).unwrap();
        assert_eq!(plan.steps().count(), 30);
        assert_eq!(slipway_flow::PlanView::of(&plan).at_once, Some(3));
    }
}
