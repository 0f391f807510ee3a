//! Stops a unit of Kubernetes and takes it out of the boot: the kubelet, kube-proxy where it is a service of its own, keepalived so that the
//! virtual address leaves, and an etcd that is no member any more, the cluster's or the coordinators' own.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Enablement, Host, ServiceState, etcd};
use slipway_proto::types::Obstacle;

use crate::membership::named;
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const ALLOWED: [&str; 6] = [
    "kubelet.service",
    "kube-proxy.service",
    "keepalived.service",
    "slipway-vip-guard.service",
    etcd::UNIT,
    "slipway-etcd.service",
];

/// Stops and disables a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopService {
    unit: &'static str,
}

impl StopService {
    /// Checks the unit against the list of those that may be stopped.
    pub fn new(unit: &str) -> Result<Self, Coded> {
        match ALLOWED.into_iter().find(|allowed| *allowed == unit) {
            Some(unit) => Ok(Self { unit }),
            None => Err(Coded::new(Code::AGENT_BAD_ARGUMENT, format!("{unit:?} is no unit that may be stopped"))
                .do_this(format!("name one of {}", ALLOWED.join(", ")))),
        }
    }
}

#[async_trait]
impl Perform for StopService {
    fn name(&self) -> &'static str {
        "stop-service"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("systemctl disable --now {}", self.unit)]
    }

    fn failure(&self) -> Code {
        Code::HOST_SERVICE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let state = host.services.state(self.unit).await?;
        let mut changes = stopping(&state);
        if state.enablement == Enablement::Enabled {
            changes.push(change("unit", self.unit, "disable", "it would start at the next boot"));
        }
        let mut obstacles = Vec::new();
        if self.unit == etcd::UNIT && !changes.is_empty() {
            obstacles.extend(still_a_member(host).await);
        }
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say(format!("stopping {}", self.unit));
        host.services.disable(self.unit).await?;
        host.services.stop(self.unit).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}

/// A member that the others still count on is not stopped like a mere service. One that does not answer is no help to them anyway.
async fn still_a_member(host: &Host) -> Option<Obstacle> {
    let local = etcd::find(host).await.ok().flatten().filter(|local| local.kind == etcd::Kind::SystemdUnit)?;
    let members = etcd::current(host, &local.access).await.ok()?;
    let own = members.list.iter().find(|member| member.id == members.answered)?;
    let explain = format!("{} is a member of an etcd that works: remove it from the members first", named(own));
    Some(obstacle(Code::HOST_SERVICE, etcd::UNIT, explain))
}

/// The change that stopping a unit is, if it runs.
pub(crate) fn stopping(state: &ServiceState) -> Vec<slipway_proto::types::Change> {
    if state.active.is_down() {
        return vec![];
    }
    vec![change("unit", &*state.unit, "stop", format!("it is {}", state.active.as_str()))]
}
