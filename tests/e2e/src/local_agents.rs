//! Real agents without sockets, for tests that crash things at every boundary: each call goes straight into an agent's core. Between two calls
//! the simulated hosts and the simulated cluster are kept in step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use slipway_agent::core::AgentCore;
use slipway_cluster::fake::FakeApiServer;
use slipway_coordinator::agents::{Agents, Messages, Query};
use slipway_coordinator::fleet::HostRecord;
use slipway_errors::{Code, Coded};
use slipway_host::fake::FakeHandle;
use slipway_proto::{agent, types};
use slipway_types::{Fence, HostId};

/// Who the agents believe to be asked by.
const CALLER: &str = "coordinator/test";

/// One host with its agent.
#[derive(Clone)]
pub struct Site {
    /// The host's name.
    pub name: String,
    /// It is a master's.
    pub master: bool,
    /// The agent.
    pub core: Arc<AgentCore>,
    /// The machine.
    pub machine: FakeHandle,
}

/// All of them.
#[derive(Clone)]
pub struct LocalAgents {
    /// The cluster's name.
    pub cluster: String,
    /// Agents by host id.
    pub sites: BTreeMap<HostId, Site>,
    /// The cluster that the hosts belong to.
    pub api: FakeApiServer,
    /// What the cluster was told of the hosts.
    pub wire: crate::link::Wire,
    /// Hosts that nobody reaches.
    pub silent: Arc<Mutex<BTreeSet<HostId>>>,
    /// The operations that somebody has followed, by their ids.
    pub followed: Arc<Mutex<BTreeSet<String>>>,
}

impl LocalAgents {
    /// From now on nobody reaches the host, or everybody again.
    pub fn set_silent(&self, host: &HostId, silent: bool) {
        let mut all = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent {
            all.insert(host.clone())
        } else {
            all.remove(host)
        };
    }

    /// Whether nobody reaches the host.
    pub fn is_silent(&self, host: &HostId) -> bool {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(host)
    }

    /// Whether somebody has begun to follow an operation of that step: what is short ends before.
    pub fn is_followed(&self, step: &str) -> bool {
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.iter().any(|operation| operation.contains(&format!("/{step}")))
    }

    fn site(&self, host: &HostRecord) -> Result<&Site, Coded> {
        self.keep_one_in_step(&host.id);
        if self.is_silent(&host.id) {
            return Err(cut_off(host));
        }
        self.sites
            .get(&host.id)
            .ok_or_else(|| Coded::new(Code::WIRE_UNREACHABLE, format!("nobody answers for {}", host.name)))
    }

    /// Tells the cluster how every kubelet is.
    pub fn keep_in_step(&self) {
        for id in self.sites.keys() {
            self.keep_one_in_step(id);
        }
    }

    /// Tells the cluster how the kubelet of one host is: a call changes no other.
    pub fn keep_one_in_step(&self, id: &HostId) {
        let Some(site) = self.sites.get(id).filter(|_| !self.is_silent(id)) else { return };
        let (says, has_address, asked_with) =
            site.machine.see(|state| (crate::says::Says::of(state), state.vip.is_some(), state.asked_with.clone()));
        self.wire.ask(&self.api, &site.name, &asked_with);
        if !says.speaks {
            let seen = crate::link::joinable(&self.api);
            if site.machine.see(|state| state.clusters != seen) {
                site.machine.change(|state| state.clusters = seen);
            }
        }
        self.wire.tell(&self.api, &site.name, says);
        if let Some(sealed_with) = site.machine.see(|state| state.uploaded.clone()) {
            crate::link::upload(&self.api, &sealed_with);
            site.machine.change(|state| state.uploaded = None);
        }
        if has_address {
            let on = self.sites.iter().filter(|(id, site)| site.master && !self.is_silent(id));
            crate::link::settle_address(on.map(|(_, site)| &site.machine));
        }
    }

    fn anywhen(&self, host: &HostRecord) -> types::Target {
        types::Target { cluster: self.cluster.clone(), host_id: host.id.0.clone(), boot_id: String::new() }
    }

    fn after<T>(&self, host: &HostId, answer: T) -> T {
        self.keep_one_in_step(host);
        answer
    }
}

fn cut_off(host: &HostRecord) -> Coded {
    Coded::new(Code::WIRE_UNREACHABLE, format!("{} is cut off", host.name))
}

#[async_trait]
impl Agents for LocalAgents {
    async fn identify(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let request = agent::DescribeRequest { target: Some(self.anywhen(host)), only_identity: true };
        self.site(host)?.core.describe(CALLER, request).await
    }

    async fn describe(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let request = agent::DescribeRequest { target: Some(self.anywhen(host)), only_identity: false };
        self.site(host)?.core.describe(CALLER, request).await
    }

    async fn watch(&self, host: &HostRecord, interval_ms: u32) -> Result<Messages<agent::WatchResponse>, Coded> {
        let beats = self
            .site(host)?
            .core
            .watch(CALLER, agent::WatchRequest { target: Some(self.anywhen(host)), interval_ms })?;
        let (this, host) = (self.clone(), host.clone());
        Ok(Box::pin(beats.map(move |beat| if this.is_silent(&host.id) { Err(cut_off(&host)) } else { Ok(beat) })))
    }

    async fn check(&self, host: &HostRecord, action: types::Action) -> Result<agent::CheckResponse, Coded> {
        let request = agent::CheckRequest { target: Some(self.anywhen(host)), action: Some(action) };
        let answer = self.site(host)?.core.check(CALLER, request).await;
        self.after(&host.id, answer)
    }

    async fn start(
        &self,
        host: &HostRecord,
        request: agent::StartOperationRequest,
    ) -> Result<agent::StartOperationResponse, Coded> {
        let answer = self.site(host)?.core.start_operation(CALLER, request).await;
        self.after(&host.id, answer)
    }

    async fn watch_operation(
        &self,
        host: &HostRecord,
        operation: &str,
        from_seq: u64,
    ) -> Result<Messages<agent::WatchOperationResponse>, Coded> {
        let target = Some(self.anywhen(host));
        let request = agent::WatchOperationRequest { target, operation_id: operation.to_owned(), from_seq };
        let following = self.site(host)?.core.watch_operation(CALLER, request).await?;
        self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.to_owned());
        let (this, id) = (self.clone(), host.id.clone());
        Ok(Box::pin(following.map(move |message| this.after(&id, message))))
    }

    async fn cancel(
        &self,
        host: &HostRecord,
        request: agent::CancelOperationRequest,
    ) -> Result<agent::CancelOperationResponse, Coded> {
        self.site(host)?.core.cancel_operation(CALLER, request).await
    }

    async fn raise_fence(&self, host: &HostRecord, fence: Fence) -> Result<agent::RaiseFenceResponse, Coded> {
        let request = agent::RaiseFenceRequest { target: Some(self.anywhen(host)), fence: Some(fence.into()) };
        self.site(host)?.core.raise_fence(CALLER, request).await
    }

    async fn query(&self, host: &HostRecord, query: Query) -> Result<agent::QueryResponse, Coded> {
        let request = agent::QueryRequest { target: Some(self.anywhen(host)), query: Some(query) };
        self.site(host)?.core.query(CALLER, request).await
    }

    async fn fetch_snapshot(&self, host: &HostRecord) -> Result<Messages<agent::FetchSnapshotResponse>, Coded> {
        let request = agent::FetchSnapshotRequest { target: Some(self.anywhen(host)) };
        self.site(host)?.core.fetch_snapshot(CALLER, request).await
    }
}
