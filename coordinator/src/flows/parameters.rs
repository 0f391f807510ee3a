//! Parameters as operators give them, checked once. An unknown or ill-typed one is refused with its name.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_flow::Registry;

use crate::world::World;

/// Which nodes a flow is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(super) struct Chosen {
    /// Names of nodes.
    pub(super) nodes: Vec<String>,
    /// A label selector, such as `pool=web`; adds to the names.
    pub(super) selector: Option<String>,
    /// The name of a pool; adds all of its nodes.
    pub(super) pool: Option<String>,
}

/// How pods are got off a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub(super) struct DrainParameters {
    /// Pods with emptyDir volumes may go, and with them what is in those volumes.
    pub(super) delete_emptydir_data: bool,
    /// Pods that no controller would make again may go.
    pub(super) force: bool,
    /// Seconds of grace instead of each pod's own.
    pub(super) grace_period_s: Option<u32>,
    /// Do not wait for pods that were deleted more than this many seconds ago.
    pub(super) skip_wait_after_s: Option<u32>,
    /// Delete instead of evict, past every PodDisruptionBudget.
    pub(super) disable_eviction: bool,
    /// Seconds after which the drain gives up; none: it waits as long as it takes.
    pub(super) timeout_s: Option<u32>,
}

/// The parameters as a type.
pub(super) fn read<T: DeserializeOwned>(params: &Value) -> Result<T, Coded> {
    serde_json::from_value(params.clone()).map_err(|error| {
        Coded::new(Code::RUN_BAD_PARAMETER, error.to_string())
            .do_this("slipway flow list -o json has the parameters of each flow")
    })
}

/// The facts that were stored with a run.
pub(super) fn facts<T: DeserializeOwned>(facts: &Value) -> Result<T, Coded> {
    serde_json::from_value(facts.clone())
        .map_err(|error| Coded::new(Code::RUN_PLAN_CHANGED, format!("the run's facts are of another release: {error}")))
}

/// What flows return as their schema.
pub(super) fn schema<T: schemars::JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Facts as they are stored.
pub(super) fn stored<T: Serialize>(facts: &T) -> Result<Value, Coded> {
    serde_json::to_value(facts).map_err(|error| Coded::new(Code::INTERNAL, format!("facts cannot be written: {error}")))
}

/// Refuses parameters that the flow's schema does not name: a typing error must not silently mean the default.
pub fn check_names(registry: &Registry<World>, flow: &str, params: &Value) -> Result<(), Coded> {
    let schema = registry.get(flow)?.params_schema();
    let known: Vec<&str> =
        schema["properties"].as_object().map(|known| known.keys().map(String::as_str).collect()).unwrap_or_default();
    for name in params.as_object().into_iter().flatten().map(|(name, _)| name) {
        if !known.contains(&name.as_str()) {
            return Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{flow} has no parameter {name:?}"))
                .do_this(format!("its parameters are {}", known.join(", "))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_flow_names_its_parameters_and_refuses_others() {
        let registry = crate::flows::registry();
        for flow in registry.all() {
            let error = check_names(&registry, flow.name(), &json!({"nodez": ["w2"]})).unwrap_err();
            assert_eq!(error.code, Code::RUN_BAD_PARAMETER);
            let schema = flow.params_schema();
            let known = schema["properties"].as_object().unwrap();
            assert!(!known.is_empty() && known.keys().all(|name| error.to_string().contains(name)), "{error}");
        }
    }

    #[test]
    fn an_ill_typed_parameter_is_refused() {
        assert_eq!(read::<DrainParameters>(&json!({"force": "yes"})).unwrap_err().code, Code::RUN_BAD_PARAMETER);
    }
}
