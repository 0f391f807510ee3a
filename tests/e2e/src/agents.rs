//! Agents of simulated hosts. Every new coordinator asks all of them what they are, and most were never touched: what such a one says of itself
//! is worked out once for all worlds of a test, as it takes longer than all else that happens in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use slipway_agent::core::{AgentCore, HostIdentity, Setup};
use slipway_agent::sampler::{Look, Source};
use slipway_errors::Coded;
use slipway_host::fake::{FakeHandle, State};
use slipway_proto::types::{HostFacts, HostMetrics};
use slipway_types::{Clock, IdGen};

use crate::sites::{CLUSTER, host_id};

/// An agent on the state folder of the host of that name, below `folder`.
pub async fn open_agent(
    name: &str,
    machine: &FakeHandle,
    (folder, clock, ids): (&Path, &Arc<dyn Clock>, &Arc<dyn IdGen>),
) -> Result<Arc<AgentCore>, Coded> {
    let identity = HostIdentity { cluster: CLUSTER.to_owned(), host_id: host_id(name).0 };
    let setup = Setup::over(machine.host(), &folder.join(name), identity, clock.clone(), ids.clone()).await;
    let mut setup = setup.map_err(|error| error.coded())?;
    let (inner, machine) = (setup.source, machine.clone());
    setup.source = Arc::new(Remembered { name: name.to_owned(), inner, machine });
    AgentCore::open(setup).await.map_err(|error| error.coded())
}

/// How many looks at hosts of one name are remembered: machines begin in a few ways, and then go their own.
const LOOKS: usize = 4;

/// What hosts said of themselves when they were like that, by name.
static SAID: Mutex<BTreeMap<String, Vec<(State, HostFacts)>>> = Mutex::new(BTreeMap::new());

/// Facts of a host, worked out only where the machine is another one than at the first looks of all.
#[derive(Debug)]
struct Remembered {
    name: String,
    inner: Arc<dyn Source>,
    machine: FakeHandle,
}

#[async_trait]
impl Source for Remembered {
    async fn facts(&self, look: Look) -> Result<HostFacts, Coded> {
        {
            let said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
            let looks = said.get(&self.name).into_iter().flatten();
            let same =
                self.machine.see(|state| looks.into_iter().find(|(like, _)| state == like).map(|(_, facts)| facts));
            if let Some(facts) = same {
                return Ok(facts.clone());
            }
        }
        let like = self.machine.state();
        let facts = self.inner.facts(look).await?;
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        let looks = said.entry(self.name.clone()).or_default();
        if looks.len() < LOOKS {
            looks.push((like, facts.clone()));
        }
        Ok(facts)
    }

    async fn identity(&self) -> Result<HostFacts, Coded> {
        self.inner.identity().await
    }

    async fn metrics(&self) -> Result<HostMetrics, Coded> {
        self.inner.metrics().await
    }
}
