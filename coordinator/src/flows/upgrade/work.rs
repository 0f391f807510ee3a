//! What is done on a host, each an action of its agent. The agent is asked beforehand what it would change, so that the plan shows the packages,
//! images, manifests and configuration of this very host.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_errors::Coded;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, PullImages, RestartKubelet, SetEtcdImage, UpgradeKubeadm};

use super::gather::Upgrading;
use super::goal::Goal;
use crate::fleet::HostRecord;
use crate::flows::obstacles::refuse_what_stays;
use crate::flows::packages::{bare, install};
use crate::flows::replace_etcd_member::listed;
use crate::steps::HostAction;
use crate::world::World;

/// kubeadm replaces four static pods, and gives each of them five minutes.
const KUBEADM: Duration = Duration::from_mins(40);
/// On a worker it reads a ConfigMap and writes a file: seconds. One that hangs is not waited for as long as a master's.
const ON_WORKER_S: u32 = 5 * 60;

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Work {
    SetRepository,
    DownloadPackages,
    InstallKubeadm,
    PullImages,
    SetEtcdImage,
    UpgradeKubeadm,
    InstallKubelet,
    RestartKubelet,
}

/// What the agent said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) by_hand: Vec<String>,
    pub(super) changes: Vec<String>,
}

const ALL: [Work; 8] = [
    Work::SetRepository,
    Work::DownloadPackages,
    Work::InstallKubeadm,
    Work::PullImages,
    Work::SetEtcdImage,
    Work::UpgradeKubeadm,
    Work::InstallKubelet,
    Work::RestartKubelet,
];

impl Work {
    const fn name(self) -> &'static str {
        match self {
            Self::SetRepository => "set-repository",
            Self::DownloadPackages => "download-packages",
            Self::InstallKubeadm => "install-kubeadm",
            Self::PullImages => "pull-images",
            Self::SetEtcdImage => "set-etcd-image",
            Self::UpgradeKubeadm => "upgrade-kubeadm",
            Self::InstallKubelet => "install-kubelet",
            Self::RestartKubelet => "restart-kubelet",
        }
    }

    const fn longest(self) -> Duration {
        match self {
            Self::SetRepository | Self::RestartKubelet => Duration::from_mins(10),
            Self::UpgradeKubeadm => KUBEADM,
            Self::DownloadPackages | Self::PullImages | Self::InstallKubeadm | Self::InstallKubelet => {
                Duration::from_mins(30)
            }
            Self::SetEtcdImage => Duration::from_mins(15),
        }
    }

    fn action(self, node: &Upgrading, goal: &Goal) -> Action {
        let kubernetes = bare(goal.version);
        let control_plane = node.master.is_some();
        let action = match self {
            Self::SetRepository => return goal.repository.action(),
            Self::DownloadPackages => return install(goal.version, &["kubelet", "kubectl"], true),
            Self::InstallKubeadm => return install(goal.version, &["kubeadm"], false),
            Self::InstallKubelet => return install(goal.version, &["kubelet", "kubectl"], false),
            Self::PullImages => Kind::PullImages(PullImages {
                kubernetes,
                image_repository: goal.images.clone(),
                control_plane,
                more_images: goal.etcd_image.iter().filter(|_| node.raises_etcd()).cloned().collect(),
            }),
            Self::UpgradeKubeadm => Kind::UpgradeKubeadm(UpgradeKubeadm {
                kubernetes,
                first: node.first,
                control_plane,
                ignore_preflight_errors: goal.ignored.clone(),
                longest_s: if control_plane { 0 } else { ON_WORKER_S },
                ..UpgradeKubeadm::default()
            }),
            Self::RestartKubelet => Kind::RestartKubelet(RestartKubelet { kubernetes }),
            Self::SetEtcdImage => {
                Kind::SetEtcdImage(SetEtcdImage { image: goal.etcd_image.clone().unwrap_or_default() })
            }
        };
        Action { action: Some(action) }
    }

    fn summary(self, node: &Upgrading, goal: &Goal) -> String {
        let (to, from) = (bare(goal.version), node.kubelet.trim_start_matches('v'));
        match self {
            Self::SetRepository => format!("packages come from the repository of {}", goal.repository.minor),
            Self::DownloadPackages => format!("kubelet and kubectl {to} lie ready; nothing is installed"),
            Self::InstallKubeadm => format!("kubeadm {to}, which changes nothing by itself"),
            Self::PullImages => format!("images of {to} are there, the pause image too"),
            Self::SetEtcdImage => {
                format!("etcd runs {}, and stays so", goal.etcd_image.as_deref().unwrap_or_default())
            }
            Self::UpgradeKubeadm if node.first => format!("kubeadm upgrade apply v{to}"),
            Self::UpgradeKubeadm => format!("kubeadm upgrade node to {to}"),
            Self::InstallKubelet => format!("kubelet and kubectl {from} -> {to}"),
            Self::RestartKubelet => format!("the kubelet starts anew as {to}"),
        }
    }

    fn is_of(self, node: &Upgrading) -> bool {
        self != Self::SetEtcdImage || node.raises_etcd()
    }

    /// The step that does it.
    pub(super) fn step(self, node: &Upgrading, goal: &Goal) -> HostAction {
        let shown = node.shown.get(&self).cloned().unwrap_or_default();
        let on_master = node.master.is_some();
        HostAction {
            summary: self.summary(node, goal),
            by_hand: shown.by_hand,
            changes: shown.changes,
            disrupts: match self {
                Self::SetEtcdImage => true,
                Self::UpgradeKubeadm | Self::RestartKubelet => on_master,
                _ => false,
            },
            ..HostAction::once(&node.host, self.action(node, goal), self.name(), self.longest())
        }
    }
}

/// Asks the agent of what each of them would change.
pub(super) async fn shown(
    world: &World,
    record: &HostRecord,
    node: &Upgrading,
    goal: &Goal,
) -> Result<BTreeMap<Work, Shown>, Coded> {
    let mut all = BTreeMap::new();
    for work in ALL.into_iter().filter(|work| work.is_of(node)) {
        let checked = world.agents.check(record, work.action(node, goal)).await?;
        refuse_what_stays(&node.name, &checked, work == Work::SetRepository)?;
        let changes = listed(&checked);
        all.insert(work, Shown { by_hand: checked.by_hand, changes });
    }
    Ok(all)
}
