//! Real agents over simulated hosts, each with a listener and a certificate of its own on loopback. Their state folders lie in memory: every
//! agent has a disk to itself in real life, and here they would all wait for one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use slipway_agent::core::{AgentCore, HostIdentity, Setup};
use slipway_agent::service::{self, Wire};
use slipway_agent::witness::Audited;
use slipway_coordinator::fleet::{HostRecord, HostState};
use slipway_errors::Coded;
use slipway_host::fake::FakeHost;
use slipway_identity::Authority;
use slipway_net::{Audit, FileAudit};
use slipway_types::{Clock, HostId, RandomIds, Role, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::authority;

/// Makes the agent of a benchmark out of the usual one.
pub(crate) type Made<'a> = &'a (dyn Fn(Setup) -> Setup + Sync);

/// Agents that serve until this goes.
pub(crate) struct Agents {
    /// Who they are and where they listen.
    pub(crate) hosts: Vec<HostRecord>,
    cores: Vec<Arc<AgentCore>>,
    serving: JoinSet<Result<(), Coded>>,
    stop: CancellationToken,
    folder: TempDir,
}

impl Agents {
    /// Agents with the names that `numbers` gives, listening on `ip`.
    pub(crate) async fn serve(
        authority: &Authority,
        numbers: std::ops::Range<usize>,
        ip: &str,
        made: Made<'_>,
    ) -> anyhow::Result<Self> {
        let (hosts, cores, serving) = (Vec::new(), Vec::new(), JoinSet::new());
        let mut agents = Self { hosts, cores, serving, stop: CancellationToken::new(), folder: in_memory()? };
        for number in numbers {
            agents.add(authority, number, ip, made).await.with_context(|| format!("agent {number}"))?;
        }
        Ok(agents)
    }

    async fn add(&mut self, authority: &Authority, number: usize, ip: &str, made: Made<'_>) -> anyhow::Result<()> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (name, id) = (format!("w{number}"), HostId(format!("h{number}")));
        let state = self.folder.path().join(&name);
        let (host, _) = FakeHost::worker(&name);
        let machine_id = host.identity.identity().await?.machine_id;
        let identity = HostIdentity { cluster: authority::CLUSTER.to_owned(), host_id: id.0.clone() };
        let setup = Setup::over(host, &state, identity, clock.clone(), Arc::new(RandomIds)).await?;
        std::fs::create_dir_all(&state)?;
        let audit: Arc<dyn Audit> = Arc::new(FileAudit::open(state.join("audit.log"))?);
        let record = Arc::new(Audited::new(audit.clone(), clock.clone()));
        let core = AgentCore::open(made(Setup { record, ..setup })).await?;
        let listener = slipway_net::bind(&format!("{ip}:0")).await?;
        let address = listener.local_addr()?.to_string();
        let wire = Wire { identity: authority::current(authority, Role::Agent, id.as_str())?, audit, clock };
        self.serving.spawn(service::serve(core.clone(), wire, listener, self.stop.clone()));
        self.cores.push(core);
        let (state, kubelet_credential) = (HostState::InService, None);
        self.hosts.push(HostRecord { id, name, address, machine_id, enrolled_ms: 0, state, kubelet_credential });
        Ok(())
    }

    /// How many operations all of them have ended well.
    pub(crate) fn operations_done(&self) -> u64 {
        let done = slipway_agent::journal::Outcome::Done;
        self.cores.iter().map(|core| core.counts().ended.get(&done).copied().unwrap_or_default()).sum()
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn in_memory() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.context("a folder for the agents' states")
}
