//! How a host is looked at. Nearly all of a look is cheap; which plugins' agents run is not, for every process is read for it, so that is
//! remembered for a while by those looks on which nobody decides.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use slipway_actions::vip_guard;
use slipway_errors::Coded;
use slipway_host::{facts, survey};
use slipway_proto::types::{HostFacts, HostMetrics};

use super::on_host::OnHost;
use crate::sampler::{Look, Source};

/// So long is believed which plugins' agents run.
const PROCESSES_AGE: Duration = Duration::from_mins(1);

/// Names of plugins of which an agent ran, and when that was seen.
#[derive(Debug, Default)]
pub(super) struct Plugins(Mutex<Option<(Duration, BTreeSet<String>)>>);

impl Plugins {
    fn younger(&self, now: Duration) -> Option<BTreeSet<String>> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, names) = seen.as_ref()?;
        (now.saturating_sub(*at) < PROCESSES_AGE).then(|| names.clone())
    }

    fn remember(&self, now: Duration, names: &BTreeSet<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, names.clone()));
    }
}

impl OnHost {
    async fn running(&self, look: Look) -> BTreeSet<String> {
        let now = self.clock.since_boot();
        if look == Look::Again
            && let Some(names) = self.plugins.younger(now)
        {
            return names;
        }
        match survey::running(&self.host).await {
            Ok(names) => {
                self.plugins.remember(now, &names);
                names
            }
            Err(error) => {
                tracing::debug!(%error, "agents of network plugins could not be told");
                BTreeSet::new()
            }
        }
    }
}

#[async_trait]
impl Source for OnHost {
    async fn facts(&self, look: Look) -> Result<HostFacts, Coded> {
        let running = self.running(look).await;
        let mut facts = facts::gather_knowing(&self.host, running).await.map_err(|error| error.coded())?;
        // Each beat of a host that is no master need not read its folders: nobody looks for a guard there.
        if look == Look::Anew || facts.control_plane {
            match vip_guard(&self.host).await {
                Ok(guard) => facts.vip_guard = guard,
                Err(error) => tracing::debug!(%error, "the settings of the VIP guard could not be told"),
            }
        }
        Ok(facts)
    }

    async fn identity(&self) -> Result<HostFacts, Coded> {
        facts::identity(&self.host).await.map_err(|error| error.coded())
    }

    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        facts::metrics(&self.host).await.map_err(|error| error.coded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_host::Process;
    use slipway_host::fake::{FakeHandle, FakeHost, Fault};
    use slipway_types::{ManualClock, Timestamp};
    use std::sync::Arc;

    fn looked_at() -> (OnHost, FakeHandle, Arc<ManualClock>) {
        let (host, machine) = FakeHost::worker("w2");
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        (OnHost::new(host, clock.clone()), machine, clock)
    }

    fn starts_flannel(machine: &FakeHandle) {
        let process = Process { pid: 4711, start_time: 1, comm: "flanneld".into(), exe: None, cmdline: Vec::new() };
        machine.change(|state| state.processes.push(process));
    }

    #[tokio::test]
    async fn an_agent_that_starts_is_seen_at_once_by_whoever_decides_and_within_a_minute_by_the_others() {
        let (host, machine, clock) = looked_at();
        let plugins = async |look| host.facts(look).await.unwrap().cni_profiles;
        assert_eq!(plugins(Look::Anew).await, ["bridge"]);
        starts_flannel(&machine);
        assert_eq!(plugins(Look::Again).await, ["bridge"]);
        clock.advance(PROCESSES_AGE);
        assert_eq!(plugins(Look::Again).await, ["bridge", "flannel"]);
        machine.change(|state| state.processes.retain(|process| process.pid != 4711));
        assert_eq!(plugins(Look::Anew).await, ["bridge"]);
        assert_eq!(plugins(Look::Again).await, ["bridge"], "a thorough look corrects what was remembered");
    }

    #[tokio::test]
    async fn a_look_at_processes_that_fails_leaves_the_other_facts_and_is_tried_again_at_the_next() {
        let (host, machine, _) = looked_at();
        starts_flannel(&machine);
        machine.inject("processes.list", 1, Fault::Fail);
        let facts = host.facts(Look::Anew).await.unwrap();
        assert_eq!((facts.hostname.as_str(), facts.cni_profiles.as_slice()), ("w2", &["bridge".to_owned()][..]));
        assert_eq!(host.facts(Look::Again).await.unwrap().cni_profiles, ["bridge", "flannel"]);
    }
}
