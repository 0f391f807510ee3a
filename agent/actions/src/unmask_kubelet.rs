//! Takes the mask off the kubelet's unit and starts nothing: whoever joins the host next does that.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::{Enablement, Host};

use crate::mask_kubelet::UNIT;
use crate::perform::change;
use crate::{Check, Done, Error, OperationContext, Perform};

/// Takes the mask off the kubelet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnmaskKubelet;

#[async_trait]
impl Perform for UnmaskKubelet {
    fn name(&self) -> &'static str {
        "unmask-kubelet"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("systemctl unmask {UNIT}")]
    }

    fn failure(&self) -> Code {
        Code::HOST_SERVICE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let masked = host.services.state(UNIT).await?.enablement == Enablement::Masked;
        let changes = if masked { vec![change("unit", UNIT, "unmask", "it is not started")] } else { vec![] };
        Ok(Check { satisfied: !masked, changes, obstacles: vec![] })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("taking the mask off the kubelet");
        host.services.unmask(UNIT).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
