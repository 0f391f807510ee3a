//! A host that was given up while it was silent, and is heard again, is to be cleaned: until then it holds what the cluster has let go of.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use slipway_errors::Coded;
use slipway_events::Actor;
use tokio_util::sync::CancellationToken;

use crate::fleet::{HostRecord, HostState};
use crate::runs::{Runs, Start};
use crate::world::World;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Whoever began a run that nobody asked for.
const ACTOR: &str = "slipway/returned-hosts";

/// Watches for such hosts.
pub struct ReturnedHosts {
    /// Who is known, and how they were heard.
    pub world: Arc<World>,
    /// Where runs are begun.
    pub runs: Runs,
}

impl ReturnedHosts {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await.is_some() {
            if let Err(error) = self.look().await {
                tracing::warn!(%error, "cannot look after hosts that come back");
            }
        }
    }

    async fn look(&self) -> Result<(), Coded> {
        for host in self.world.hosts.list().await? {
            if let Some(boot) = self.is_back(&host)
                && let Err(error) = self.clean(&host, &boot).await
            {
                tracing::warn!(host = %host.name, %error, "a host that is back cannot be cleaned yet");
            }
        }
        Ok(())
    }

    /// The boot under which the host is heard, if it is one to be cleaned.
    fn is_back(&self, host: &HostRecord) -> Option<String> {
        let silent_after = Duration::from_millis(self.world.settings.agents.silent_after_ms.into());
        let heard = self.world.fleet.age(&host.id).is_some_and(|age| age < silent_after);
        let facts = self.world.fleet.view(&host.id).facts?;
        (host.state == HostState::ToBeCleaned && heard).then_some(facts.boot_id)
    }

    /// One run for each return: the key is made of the host and its boot, so that looking again begins no second one.
    async fn clean(&self, host: &HostRecord, boot: &str) -> Result<(), Coded> {
        let name = slipway_types::NodeName::new(host.name.as_str())
            .map_err(|error| Coded::new(slipway_errors::Code::NODE_UNKNOWN, error.to_string()))?;
        if !self.runs.holding(&name).is_empty() {
            return Ok(());
        }
        let start = Start {
            flow: "clean-host".to_owned(),
            params: json!({"nodes": [host.name]}),
            actor: Actor(ACTOR.to_owned()),
            key: key(host, boot),
            fingerprint: String::new(),
        };
        let (run, existed) = self.runs.start(start).await?;
        if !existed {
            tracing::info!(host = %host.name, run = run.short(), "is back and is cleaned");
        }
        Ok(())
    }
}

/// Letters, digits and hyphens, as keys have to be.
fn key(host: &HostRecord, boot: &str) -> String {
    let plain: String =
        format!("clean-{}-{boot}", host.id).chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.chars().take(128).collect()
}
