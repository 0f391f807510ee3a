//! What is done on the host, in order. Each entry is one action; the agent is asked beforehand what it would change there, so that the
//! operator sees the very list before saying yes.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_errors::Coded;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{
    Action, CleanCni, CleanFiles, CleanNetfilter, HostFacts, MaskKubelet, ResetKubeadm, ScanLeftovers, StopService,
    UnmaskKubelet,
};

use crate::fleet::HostRecord;
use crate::steps::{HostAction, HostTarget};
use crate::world::World;

/// One action with what the agent said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::flows) struct HostWork {
    kind: WorkKind,
    cri_socket: String,
    by_hand: Vec<String>,
    changes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WorkKind {
    StopKubeProxy,
    MaskKubelet,
    Reset,
    CleanCni,
    CleanNetfilter,
    CleanFiles,
    ScanLeftovers,
}

const ORDER: [WorkKind; 7] = [
    WorkKind::StopKubeProxy,
    WorkKind::MaskKubelet,
    WorkKind::Reset,
    WorkKind::CleanCni,
    WorkKind::CleanNetfilter,
    WorkKind::CleanFiles,
    WorkKind::ScanLeftovers,
];

/// Asks the agent what each action would change.
pub(in crate::flows) async fn host_work(
    world: &World,
    host: &HostRecord,
    facts: &HostFacts,
) -> Result<Vec<HostWork>, Coded> {
    let mut work = Vec::new();
    for kind in ORDER {
        if kind == WorkKind::StopKubeProxy && !has_kube_proxy_service(facts) {
            continue;
        }
        let mut entry =
            HostWork { kind, cri_socket: facts.cri_socket.clone(), by_hand: Vec::new(), changes: Vec::new() };
        let checked = world.agents.check(host, entry.action()).await?;
        entry.by_hand = checked.by_hand;
        entry.changes =
            checked.changes.iter().map(|change| format!("{} {} {}", change.verb, change.kind, change.what)).collect();
        work.push(entry);
    }
    Ok(work)
}

/// With kubeadm it is a DaemonSet; where it was installed as a binary it is a unit of its own.
fn has_kube_proxy_service(facts: &HostFacts) -> bool {
    facts.units.iter().any(|unit| unit.unit == "kube-proxy.service" && unit.enablement != "not-found")
}

impl HostWork {
    /// Whether it is what stops pods from being started.
    pub(in crate::flows) fn is_mask(&self) -> bool {
        self.kind == WorkKind::MaskKubelet
    }

    /// Whether it is the reset itself.
    pub(in crate::flows) fn is_reset(&self) -> bool {
        self.kind == WorkKind::Reset
    }

    fn action(&self) -> Action {
        let action = match self.kind {
            WorkKind::StopKubeProxy => Kind::StopService(StopService { unit: "kube-proxy.service".to_owned() }),
            WorkKind::MaskKubelet => Kind::MaskKubelet(MaskKubelet {}),
            WorkKind::Reset => Kind::ResetKubeadm(ResetKubeadm { cri_socket: self.cri_socket.clone() }),
            WorkKind::CleanCni => Kind::CleanCni(CleanCni::default()),
            WorkKind::CleanNetfilter => Kind::CleanNetfilter(CleanNetfilter::default()),
            WorkKind::CleanFiles => Kind::CleanFiles(CleanFiles::default()),
            WorkKind::ScanLeftovers => Kind::ScanLeftovers(ScanLeftovers {}),
        };
        Action { action: Some(action) }
    }

    /// The step that does it.
    pub(in crate::flows) fn step(&self, target: &HostTarget) -> HostAction {
        let (name, summary, minutes) = match self.kind {
            WorkKind::StopKubeProxy => ("stop-kube-proxy", "stop and disable kube-proxy", 2),
            WorkKind::MaskKubelet => ("mask-kubelet", "stop and mask kubelet", 2),
            WorkKind::Reset => ("reset", "kubeadm reset", 10),
            WorkKind::CleanCni => ("clean-cni", "remove links, routes and state of the CNI", 5),
            WorkKind::CleanNetfilter => ("clean-netfilter", "remove firewall rules of Kubernetes, one by one", 5),
            WorkKind::CleanFiles => ("clean-files", "remove files of Kubernetes that no package owns", 5),
            WorkKind::ScanLeftovers => ("scan-leftovers", "look for what is left; nothing may be", 5),
        };
        let unmask = Action { action: Some(Kind::UnmaskKubelet(UnmaskKubelet {})) };
        HostAction {
            summary: summary.to_owned(),
            by_hand: self.by_hand.clone(),
            // What is found at the end depends on everything before it.
            changes: if self.kind == WorkKind::ScanLeftovers { Vec::new() } else { self.changes.clone() },
            reads_only: self.kind == WorkKind::ScanLeftovers,
            undo: (self.kind == WorkKind::MaskKubelet).then_some(unmask),
            ..HostAction::once(target, self.action(), name, Duration::from_mins(minutes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_flow::Step;
    use slipway_proto::types::UnitState;

    fn target() -> HostTarget {
        HostTarget { node: "w2".parse().unwrap(), host_id: "h2".into(), machine_id: "m2".into() }
    }

    #[test]
    fn the_kubelet_is_masked_before_the_reset_and_the_scan_comes_last() {
        let position = |kind| ORDER.iter().position(|entry| *entry == kind).unwrap();
        assert!(position(WorkKind::MaskKubelet) < position(WorkKind::Reset));
        assert!(position(WorkKind::Reset) < position(WorkKind::CleanNetfilter));
        assert!(position(WorkKind::CleanCni) < position(WorkKind::CleanFiles));
        assert_eq!(position(WorkKind::ScanLeftovers), ORDER.len() - 1);
    }

    #[test]
    fn kube_proxy_is_stopped_only_where_it_is_a_service() {
        let unit = |enablement: &str| UnitState {
            unit: "kube-proxy.service".into(),
            enablement: enablement.into(),
            ..Default::default()
        };
        assert!(has_kube_proxy_service(&HostFacts { units: vec![unit("enabled")], ..Default::default() }));
        assert!(!has_kube_proxy_service(&HostFacts { units: vec![unit("not-found")], ..Default::default() }));
        assert!(!has_kube_proxy_service(&HostFacts::default()));
    }

    #[test]
    fn each_step_has_an_id_of_its_own_with_the_nodes_name() {
        let ids: std::collections::BTreeSet<_> = ORDER
            .iter()
            .map(|kind| {
                HostWork { kind: *kind, cri_socket: String::new(), by_hand: vec![], changes: vec![] }
                    .step(&target())
                    .id()
            })
            .collect();
        assert_eq!(ids.len(), ORDER.len());
        assert!(ids.iter().all(|id| id.as_str().ends_with("-w2")));
    }
}
