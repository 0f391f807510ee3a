//! What several mutating verbs take: the nodes, how a drain goes about it, and how a start is followed. Written once, so that the verbs agree.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::units::parse_span;

/// Nodes, by name or by label.
#[derive(Debug, Clone, clap::Args)]
#[group(required = true, multiple = true)]
pub struct Nodes {
    /// The nodes
    #[arg(value_name = "NODE")]
    pub nodes: Vec<String>,
    /// All nodes with these labels, such as pool=batch
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// All nodes of a pool, by its name in the coordinator's configuration
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
}

impl Nodes {
    /// Puts them into a flow's parameters.
    pub fn put(&self, params: &mut Params) {
        params.set("nodes", json!(self.nodes));
        params.set_some("selector", self.selector.as_ref());
        params.set_some("pool", self.pool.as_ref());
    }
}

/// How pods are evicted. Each of these can cost something, so none is the default.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Eviction {
    /// Evict pods whose emptyDir volumes are lost with them
    #[arg(long)]
    pub delete_emptydir_data: bool,
    /// Evict pods that nothing will make again
    #[arg(long)]
    pub force: bool,
    /// Seconds that a pod has to end, instead of its own
    #[arg(long, value_name = "SECONDS")]
    pub grace_period: Option<u32>,
    /// Do not wait for pods that have been ending for longer than this
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub skip_wait_after: Option<Duration>,
    /// Delete pods instead of evicting them: goes past PodDisruptionBudgets
    #[arg(long)]
    pub disable_eviction: bool,
    /// Give up the drain after this time; without it, it waits
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub timeout: Option<Duration>,
}

impl Eviction {
    /// Puts it into a flow's parameters.
    pub fn put(&self, params: &mut Params) {
        params.set("delete_emptydir_data", json!(self.delete_emptydir_data));
        params.set("force", json!(self.force));
        params.set("disable_eviction", json!(self.disable_eviction));
        params.set_some("grace_period_s", self.grace_period.as_ref());
        params.set_some("skip_wait_after_s", self.skip_wait_after.map(|time| time.as_secs()).as_ref());
        params.set_some("timeout_s", self.timeout.map(|time| time.as_secs()).as_ref());
    }
}

/// How a start is named and followed.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Start {
    /// Start the run and come back at once
    #[arg(long)]
    pub detach: bool,
    /// Names this request: the same key again gives the same run, never a second one
    #[arg(long, value_name = "KEY", value_parser = key)]
    pub idempotency_key: Option<String>,
}

fn key(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().count() > 128 {
        return Err("a key has 1 to 128 characters".to_owned());
    }
    Ok(text.to_owned())
}

/// A flow's parameters in the making.
#[derive(Debug, Default)]
pub struct Params(Map<String, Value>);

impl Params {
    /// Sets `name`.
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// Sets `name` where there is a value; otherwise the flow's own default holds.
    pub fn set_some<T: serde::Serialize>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.set(name, json!(value));
        }
    }

    /// The JSON object.
    pub fn into_json(self) -> Value {
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_said_is_not_sent() {
        let mut params = Params::default();
        Eviction::default().put(&mut params);
        let params = params.into_json();
        assert_eq!(params, json!({"delete_emptydir_data": false, "force": false, "disable_eviction": false}));
    }

    #[test]
    fn a_key_is_neither_empty_nor_endless() {
        assert!(key("").is_err() && key(&"x".repeat(129)).is_err());
        assert!(key("deploy-17").is_ok());
    }
}
