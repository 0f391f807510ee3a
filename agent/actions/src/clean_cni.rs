//! Takes links, routes and network namespaces of CNI plugins off the host: what the profiles own by name and kind, and nothing else.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::{Host, survey};

use crate::running::still_running;
use crate::{Check, Done, Error, OperationContext, Perform};

/// Removes links, routes and namespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanCni {
    /// Names of profiles; none: all.
    pub(crate) profiles: Vec<String>,
}

#[async_trait]
impl Perform for CleanCni {
    fn name(&self) -> &'static str {
        "clean-cni"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "ip link delete NAME   # cni0, flannel.1 and the like: --dry-run names them".into(),
            "ip netns delete cni-ID".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::HOST_LEFTOVERS
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let changes = survey::network(host, &scope).await?.changes();
        let obstacles = if changes.is_empty() { vec![] } else { still_running(host, &scope).await? };
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let plan = survey::network(host, &scope).await?;
        for route in &plan.routes {
            operation.go_on(self.name())?;
            host.links.delete_route(route).await?;
        }
        for (name, kind) in &plan.links {
            operation.go_on(self.name())?;
            operation.progress.say(format!("deleting the {kind} {name}"));
            host.links.delete(name, kind).await?;
        }
        for name in &plan.namespaces {
            operation.go_on(self.name())?;
            operation.progress.say(format!("deleting the network namespace {name}"));
            host.links.delete_namespace(name).await?;
        }
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
