//! Looks for everything that a node leaves behind, with the eyes of all the other actions together, and changes nothing.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::plan::network;
use slipway_host::{Enablement, Host, survey};
use slipway_proto::types::Change;

use crate::mask_kubelet::UNIT;
use crate::perform::{change, left};
use crate::{
    Check, CleanCni, CleanFiles, CleanNetfilter, Done, Error, MaskKubelet, OperationContext, Perform, ResetKubeadm,
};

/// Looks for what is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanLeftovers;

#[async_trait]
impl Perform for ScanLeftovers {
    fn name(&self) -> &'static str {
        "scan-leftovers"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "systemctl is-enabled kubelet; crictl pods; ip -d link; ip netns; nft list ruleset; iptables-save; ip6tables-save".into(),
            "ls -A /etc/kubernetes /var/lib/kubelet /etc/cni/net.d /var/lib/cni /run/flannel".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::HOST_LEFTOVERS
    }

    fn only_looks(&self) -> bool {
        true
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let parts: [&dyn Perform; 5] = [
            &MaskKubelet,
            &ResetKubeadm::default(),
            &CleanCni::default(),
            &CleanNetfilter::default(),
            &CleanFiles::default(),
        ];
        let mut all = Check::default();
        // Where there is no kubelet, nothing of one is left to be kept down.
        let absent = host.services.state(UNIT).await?.enablement == Enablement::NotFound;
        for part in parts {
            let found = part.check(host).await?;
            let left = |change: &Change| change.verb != "run" && !(absent && change.what == UNIT);
            all.changes.extend(found.changes.into_iter().filter(left));
            all.obstacles.extend(found.obstacles);
        }
        let scope = survey::scope(host, &[]).await?;
        let processes = host.processes.list().await?;
        for process in network::agents(&scope, &processes) {
            all.changes.push(change(
                "process",
                format!("{} ({})", process.comm, process.pid),
                "end",
                "an agent of Kubernetes",
            ));
        }
        all.changes.sort_by(|a, b| (&a.kind, &a.what, &a.verb).cmp(&(&b.kind, &b.what, &b.verb)));
        all.changes.dedup_by(|a, b| a.kind == b.kind && a.what == b.what);
        all.obstacles.dedup_by(|a, b| a.what == b.what);
        all.satisfied = all.changes.is_empty() && all.obstacles.is_empty();
        Ok(all)
    }

    async fn perform(&self, _host: &Host, _operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        Err(Error::NotReached { action: self.name(), code: Code::HOST_LEFTOVERS, what: left(found) })
    }
}
