//! Stops the kubelet and masks its unit. Masked, since the scripts of its package start a unit that is merely disabled, and a kubelet that
//! comes back registers its node again.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::{Enablement, EntryKind, Host};

use crate::perform::{change, obstacle};
use crate::stop_service::stopping;
use crate::{Check, Done, Error, OperationContext, Perform};

pub(crate) const UNIT: &str = "kubelet.service";
const UNIT_FILE: &str = "/etc/systemd/system/kubelet.service";

/// Stops and masks the kubelet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MaskKubelet;

#[async_trait]
impl Perform for MaskKubelet {
    fn name(&self) -> &'static str {
        "mask-kubelet"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("systemctl mask --now {UNIT}")]
    }

    fn failure(&self) -> Code {
        Code::HOST_SERVICE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let state = host.services.state(UNIT).await?;
        let mut check = Check { changes: stopping(&state), ..Check::default() };
        if state.enablement != Enablement::Masked {
            check.changes.push(change("unit", UNIT, "mask", "so that nothing starts it until the host joins again"));
            let own = host.files.entry(UNIT_FILE.as_ref()).await?;
            if own.is_some_and(|entry| entry.kind != EntryKind::Symlink) {
                let explain = format!(
                    "{UNIT_FILE} is a file of this host's own, and a mask would take its place: move it to /usr/lib/systemd/system"
                );
                check.obstacles.push(obstacle(Code::HOST_SERVICE, UNIT_FILE, explain));
            }
        }
        check.satisfied = check.changes.is_empty();
        Ok(check)
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("stopping the kubelet");
        host.services.stop(UNIT).await?;
        operation.progress.say("masking the kubelet");
        host.services.mask(UNIT).await?;
        // Between the two somebody may have started it.
        host.services.stop(UNIT).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
