//! The real actions behind the core's seam: what the wire names, done to a host.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use slipway_actions::{OperationContext, Perform, Progress};
use slipway_errors::Coded;
use slipway_host::etcd::{self, Snapshot};
use slipway_host::{Host, TransientStatus, probe, readiness};
use slipway_proto::agent::{ApiServerAnswer, GatesAnswer, PackagesQuery};
use slipway_proto::types::{Action, EtcdStatus, HostReadiness, NetworkProbe, Packages};
use slipway_types::{Clock, OperationId};

use super::looks::Plugins;
use super::{Applied, Operation, View, Work, Works};
use crate::questions::Questions;

/// A host that is worked on and looked at.
#[derive(Debug, Clone)]
pub struct OnHost {
    pub(super) host: Host,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) plugins: Arc<Plugins>,
}

impl OnHost {
    /// Work on `host`, with deadlines by `clock`.
    pub fn new(host: Host, clock: Arc<dyn Clock>) -> Self {
        Self { host, clock, plugins: Arc::default() }
    }
}

impl Works for OnHost {
    fn work_for(&self, action: Action) -> Result<Box<dyn Work>, Coded> {
        let perform = slipway_actions::from_wire(action)?;
        Ok(Box::new(HostWork { perform, host: self.host.clone(), clock: self.clock.clone() }))
    }
}

#[async_trait]
impl Questions for OnHost {
    async fn etcd_status(&self) -> Result<EtcdStatus, Coded> {
        etcd::status(&self.host).await.map_err(|error| error.coded())
    }

    async fn packages(&self, query: PackagesQuery) -> Result<Packages, Coded> {
        slipway_actions::packages(&self.host, query).await
    }

    async fn api_server(&self) -> Result<ApiServerAnswer, Coded> {
        let said = slipway_host::api_server::own_is_ready(&self.host).await;
        Ok(match said {
            Ok(ready) => ApiServerAnswer { ready, why: String::new() },
            Err(error) => ApiServerAnswer { ready: false, why: error.to_string() },
        })
    }

    async fn gates(&self) -> Result<GatesAnswer, Coded> {
        slipway_host::gates::gates(&self.host).await.map_err(|error| error.coded())
    }

    async fn readiness(&self) -> Result<HostReadiness, Coded> {
        readiness::gather(&self.host, self.clock.as_ref()).await.map_err(|error| error.coded())
    }

    async fn network(&self, dns: bool, pods: &[IpAddr]) -> Result<Vec<NetworkProbe>, Coded> {
        probe::network(&self.host, dns, pods).await.map_err(|error| error.coded())
    }

    async fn snapshot(&self) -> Result<Snapshot, Coded> {
        let begun = async {
            let local = etcd::required(&self.host).await?;
            self.host.etcd.snapshot(&local.access).await
        };
        begun.await.map_err(|error| error.coded())
    }
}

struct HostWork {
    perform: Box<dyn Perform>,
    host: Host,
    clock: Arc<dyn Clock>,
}

impl HostWork {
    async fn command(&self, operation_id: &str) -> Result<Option<(String, TransientStatus)>, Coded> {
        let Some(unit) = self.perform.long_command(&OperationId::from(operation_id)) else { return Ok(None) };
        let status = self.host.services.transient_status(&unit).await.map_err(|error| error.coded())?;
        Ok((status != TransientStatus::NotFound).then_some((unit, status)))
    }
}

#[async_trait]
impl Work for HostWork {
    fn name(&self) -> &'static str {
        self.perform.name()
    }

    fn by_hand(&self) -> Vec<String> {
        self.perform.by_hand()
    }

    fn only_looks(&self) -> bool {
        self.perform.only_looks()
    }

    async fn check(&self) -> Result<View, Coded> {
        let found = self.perform.check(&self.host).await.map_err(|error| error.coded())?;
        Ok(View { satisfied: found.satisfied, changes: found.changes, obstacles: found.obstacles })
    }

    async fn apply(&self, operation: &Operation) -> Result<Applied, Coded> {
        let progress = operation.progress.clone();
        let context = OperationContext {
            operation: OperationId::from(operation.id.as_str()),
            clock: self.clock.clone(),
            deadline: self.clock.since_boot().saturating_add(operation.limit),
            progress: Progress::to(move |says| progress.say(says)),
            cancelled: operation.cancelled.clone(),
            secret: operation.secret.clone(),
        };
        let applied = self.perform.apply(&self.host, &context).await.map_err(|error| error.coded())?;
        Ok(Applied { already_true: applied.already_true, changes: applied.changes, record: applied.record })
    }

    async fn left_running(&self, operation_id: &str) -> Result<bool, Coded> {
        Ok(self.command(operation_id).await?.is_some())
    }

    async fn settled(&self, operation_id: &str) {
        let forgotten = match self.command(operation_id).await {
            Ok(Some((unit, TransientStatus::Exited { .. }))) => {
                self.host.services.forget_transient(&unit).await.map_err(|error| error.coded())
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            tracing::warn!(operation = operation_id, %error, "the ended command of an operation stays known to systemd");
        }
    }
}
