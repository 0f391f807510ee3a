//! The agents behind the turnstile: every call waits for its turn, may not arrive, may be done and its answer be lost.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use slipway_coordinator::agents::{Agents, Messages, Query};
use slipway_coordinator::fleet::HostRecord;
use slipway_errors::{Code, Coded};
use slipway_host::fake::{Member, SharedEtcd};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::{agent, types};
use slipway_types::Fence;

use super::notes::{Notes, Taken};
use super::planted::Planted;
use super::turns::Turns;
use crate::local_agents::LocalAgents;

/// Of a thousand calls, so many do not arrive.
const LOST: usize = 4;
/// Of a thousand calls, so many are done and not heard of.
const UNHEARD: usize = 4;
/// Of a thousand answers, so many come late.
const LATE: usize = 150;

/// See the module.
pub struct SlowHosts {
    /// The agents; another one takes a host's place when it reboots.
    pub inner: Arc<Mutex<LocalAgents>>,
    /// The etcd of the masters.
    pub etcd: SharedEtcd,
    /// Where everybody waits.
    pub turns: Arc<Turns>,
    /// What agents were made to do.
    pub notes: Arc<Notes>,
    /// The fault of this interleaving.
    pub planted: Planted,
}

impl SlowHosts {
    fn now(&self) -> LocalAgents {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn call<T: Send>(
        &self,
        host: &HostRecord,
        what: &str,
        call: impl AsyncFnOnce(&LocalAgents) -> Result<T, Coded>,
    ) -> Result<T, Coded> {
        let what = format!("{} {what}", host.name);
        self.turns.pass(what.clone()).await;
        let silence = |why: &str| {
            self.turns.tell(format!("{what}: {why}"));
            Err(Coded::new(Code::WIRE_UNREACHABLE, format!("{what}: {why}")))
        };
        if self.turns.happens(LOST) {
            return silence("does not arrive");
        }
        let agents = self.now();
        let answer = call(&agents).await;
        if self.turns.happens(UNHEARD) {
            return silence("its answer is lost");
        }
        if self.turns.happens(LATE) {
            self.turns.pass(format!("{what}: heard")).await;
        }
        answer
    }

    /// The faults that lie in what an agent does.
    fn betray(&self, host: &HostRecord, action: Option<&Kind>, checks: bool) {
        let agents = self.now();
        let Some(site) = agents.sites.get(&host.id) else { return };
        match (self.planted, action) {
            (Planted::ResetWhilePodsRun, Some(Kind::ResetKubeadm(_))) if checks && !site.master => {
                site.machine.change(|state| {
                    state.witness("run /usr/bin/kubeadm reset");
                    state.stop_unit("kubelet.service");
                });
            }
            // Nobody's run is about the last of them.
            (Planted::MemberRemovedUnasked, Some(Kind::ResetKubeadm(_))) if !checks && !site.master => {
                let member = |etcd: &mut slipway_host::fake::Cluster| etcd.members.pop().map(|member| member.id);
                let gone = self.etcd.with(member).ok().flatten().unwrap_or_default();
                self.turns.tell(format!("planted: member {gone:x} leaves etcd"));
            }
            (Planted::NewerKubelet, Some(Kind::UnmaskKubelet(_))) if !checks && !site.master => {
                site.machine.change(|state| state.kubelet = Some("v1.35.0".to_owned()));
            }
            (Planted::JoinedTwice, Some(Kind::JoinKubeadm(_))) if !checks => {
                site.machine.change(|state| state.witness("run /usr/bin/kubeadm join"));
            }
            (Planted::StrangerInEtcd, Some(Kind::JoinKubeadm(_))) if !checks => {
                let stranger = Member { id: 0x57a6_6e12, name: "stranger".to_owned(), ..Member::default() };
                // Only one in a file can fail.
                let _ = self.etcd.with(|etcd| etcd.members.push(stranger));
            }
            (Planted::SecondEffect, Some(Kind::ResetKubeadm(_))) if !checks => {
                site.machine.change(|state| state.witness("run /usr/bin/kubeadm reset"));
            }
            _ => return,
        }
        self.notes.kept().touched.insert(host.name.clone());
    }

    fn lie(&self, host: &HostRecord, said: &mut Option<types::HostFacts>) {
        if let (Planted::OtherMachineObeyed, Some(facts)) = (self.planted, said) {
            facts.machine_id.clone_from(&host.machine_id);
        }
    }
}

fn kind_of(action: &types::Action) -> String {
    let text = format!("{:?}", action.action);
    let inner = text.strip_prefix("Some(").unwrap_or(&text);
    inner.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

#[async_trait]
impl Agents for SlowHosts {
    async fn identify(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let mut said = self.call(host, "says who it is", async |agents| agents.identify(host).await).await?;
        self.lie(host, &mut said.facts);
        Ok(said)
    }

    async fn describe(&self, host: &HostRecord) -> Result<agent::DescribeResponse, Coded> {
        let mut said = self.call(host, "describes itself", async |agents| agents.describe(host).await).await?;
        self.lie(host, &mut said.facts);
        Ok(said)
    }

    async fn watch(&self, host: &HostRecord, interval_ms: u32) -> Result<Messages<agent::WatchResponse>, Coded> {
        self.call(host, "is watched", async |agents| agents.watch(host, interval_ms).await).await
    }

    async fn check(&self, host: &HostRecord, action: types::Action) -> Result<agent::CheckResponse, Coded> {
        let what = format!("checks {}", kind_of(&action));
        self.call(host, &what, async |agents| {
            self.betray(host, action.action.as_ref(), true);
            let mut checked = agents.check(host, action).await?;
            self.lie(host, &mut checked.facts);
            Ok(checked)
        })
        .await
    }

    async fn start(
        &self,
        host: &HostRecord,
        request: agent::StartOperationRequest,
    ) -> Result<agent::StartOperationResponse, Coded> {
        let what = format!("starts {}", request.operation_id);
        self.call(host, &what, async |agents| {
            let taken = Taken {
                host: host.name.clone(),
                operation: request.operation_id.clone(),
                boot_id: request.target.as_ref().map(|target| target.boot_id.clone()).unwrap_or_default(),
            };
            let action = request.action.as_ref().and_then(|action| action.action.clone());
            let answer = agents.start(host, request).await?;
            let mut kept = self.notes.kept();
            kept.touched.insert(host.name.clone());
            if !answer.attached {
                kept.taken.push(taken);
            }
            drop(kept);
            self.betray(host, action.as_ref(), false);
            Ok(answer)
        })
        .await
    }

    async fn watch_operation(
        &self,
        host: &HostRecord,
        operation: &str,
        from_seq: u64,
    ) -> Result<Messages<agent::WatchOperationResponse>, Coded> {
        let what = format!("tells of {operation}");
        let messages =
            self.call(host, &what, async |agents| agents.watch_operation(host, operation, from_seq).await).await?;
        let (turns, says) = (self.turns.clone(), format!("{} {what}: more", host.name));
        Ok(Box::pin(messages.then(move |message| {
            let (turns, says) = (turns.clone(), says.clone());
            async move {
                turns.pass(says).await;
                message
            }
        })))
    }

    async fn cancel(
        &self,
        host: &HostRecord,
        request: agent::CancelOperationRequest,
    ) -> Result<agent::CancelOperationResponse, Coded> {
        self.call(host, "cancels", async |agents| agents.cancel(host, request).await).await
    }

    async fn raise_fence(&self, host: &HostRecord, fence: Fence) -> Result<agent::RaiseFenceResponse, Coded> {
        self.call(host, "raises its fence", async |agents| agents.raise_fence(host, fence).await).await
    }

    async fn query(&self, host: &HostRecord, query: Query) -> Result<agent::QueryResponse, Coded> {
        self.call(host, "tells of etcd", async |agents| {
            self.notes.etcd_asked(self.turns.told());
            agents.query(host, query).await
        })
        .await
    }

    async fn fetch_snapshot(&self, host: &HostRecord) -> Result<Messages<agent::FetchSnapshotResponse>, Coded> {
        self.call(host, "sends a snapshot", async |agents| agents.fetch_snapshot(host).await).await
    }
}
