//! Starts a unit and puts it into the boot: the way back for what was stopped only so that something else could be done.

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Active, Enablement, Host};

use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const ALLOWED: [&str; 3] = ["keepalived.service", "slipway-vip-guard.service", "slipway-etcd.service"];

/// Enables and starts a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartService {
    unit: &'static str,
}

impl StartService {
    /// Checks the unit against the list of those that may be started.
    pub fn new(unit: &str) -> Result<Self, Coded> {
        match ALLOWED.into_iter().find(|allowed| *allowed == unit) {
            Some(unit) => Ok(Self { unit }),
            None => Err(Coded::new(Code::AGENT_BAD_ARGUMENT, format!("{unit:?} is no unit that may be started"))
                .do_this(format!("name one of {}", ALLOWED.join(", ")))),
        }
    }
}

#[async_trait]
impl Perform for StartService {
    fn name(&self) -> &'static str {
        "start-service"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("systemctl enable --now {}", self.unit)]
    }

    fn failure(&self) -> Code {
        Code::HOST_SERVICE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let state = host.services.state(self.unit).await?;
        let mut check = Check::default();
        match state.enablement {
            Enablement::NotFound => {
                let explain = format!("{} is not installed on this host: install it", self.unit);
                check.obstacles.push(obstacle(Code::HOST_SERVICE, self.unit, explain));
            }
            Enablement::Masked => {
                let explain =
                    format!("{0} is masked, and whoever did that had a reason: `systemctl unmask {0}`", self.unit);
                check.obstacles.push(obstacle(Code::HOST_SERVICE, self.unit, explain));
            }
            Enablement::Disabled => check.changes.push(change("unit", self.unit, "enable", "it starts at each boot")),
            Enablement::Enabled | Enablement::Static => {}
        }
        if state.active != Active::Active {
            check.changes.push(change("unit", self.unit, "start", format!("it is {}", state.active.as_str())));
        }
        check.satisfied = check.changes.is_empty() && check.obstacles.is_empty();
        Ok(check)
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say(format!("starting {}", self.unit));
        host.services.enable(self.unit).await?;
        host.services.start(self.unit).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
