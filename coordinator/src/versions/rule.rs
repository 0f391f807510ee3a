//! The shape of a rule. A rule holds for a range of targets, asks for conditions that all have to be met, and says what that means. A new rule
//! is new data; code is needed only for a new kind of condition.

use serde::{Deserialize, Serialize};
use slipway_types::NodeRole;

use super::facts::{Cgroup, FlagSource};
use super::numbers::{Dotted, Minor};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// How grave a match is; `off` takes the rule out.
    pub severity: Level,
    /// The code of its findings.
    pub code: String,
    /// The first minor as target for which the rule holds.
    pub from: Option<Minor>,
    /// The last.
    pub until: Option<Minor>,
    /// It holds only where the upgrade leads into `from` from a minor before it.
    #[serde(default)]
    pub crossing: bool,
    /// What has to be so of the cluster.
    #[serde(default)]
    pub cluster: ClusterIs,
    /// What has to be so of a node: each such node is a finding.
    pub node: Option<NodeIs>,
    /// What has to be so of a member of etcd: each such member is a finding.
    pub member: Option<MemberIs>,
    /// Each budget that can never be met is a finding.
    pub impasse: Option<ImpasseIs>,
    /// The plan mends a match by itself where etcd is kubeadm's: members get this image tag first, and the finding is a note.
    pub raises_etcd_to: Option<String>,
    /// What is so, in a sentence with {placeholders}.
    pub text: String,
    /// What to do about it.
    pub way_out: String,
    /// Where the rule comes from: addresses, or issues such as `kubernetes/kubernetes#127316`.
    pub source: Vec<String>,
}

/// How grave a match is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The upgrade is refused.
    Block,
    /// It may go wrong, or somebody will miss something.
    Warn,
    /// Worth knowing.
    Note,
    /// The rule is out of force.
    Off,
}

/// Conditions on the cluster; what is not set is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ClusterIs {
    /// It has exactly so many masters.
    pub masters: Option<usize>,
    /// It has at least so many.
    pub masters_at_least: Option<usize>,
    /// kubeadm does not run its etcd.
    pub etcd_external: Option<bool>,
    /// The ConfigMap `kubeadm-config` names an image tag for etcd.
    pub etcd_pinned: Option<bool>,
    /// The tag that it names is older.
    pub etcd_pinned_below: Option<Dotted>,
    /// One of these stands under kubeadm's `featureGates`: each is a finding.
    pub kubeadm_gates: Vec<String>,
    /// One of these stands under the extra arguments of kube-controller-manager: each is a finding.
    pub controller_manager_flags: Vec<String>,
}

/// Conditions on a node; what is not set is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NodeIs {
    /// What it is for.
    pub role: Option<NodeRole>,
    /// Its Ready condition.
    pub ready: Option<bool>,
    /// Its container runtime, such as `containerd`.
    pub runtime: Option<String>,
    /// The runtime's version is older.
    pub runtime_below: Option<Dotted>,
    /// The cgroups of the host.
    pub cgroup: Option<Cgroup>,
    /// `failCgroupV1`; what is not configured counts as true.
    pub fail_cgroup_v1: Option<bool>,
    /// Swap is in use.
    pub swap: Option<bool>,
    /// `failSwapOn`.
    pub fail_swap_on: Option<bool>,
    /// The kubelet is started with one of these flags: each is a finding.
    pub kubelet_flags: Vec<String>,
    /// Who wrote the flag.
    pub flags_from: Option<FlagSource>,
    /// The kubelet speaks to the API server of its own host.
    pub kubelet_speaks_to_itself: Option<bool>,
    /// A certificate ends in fewer days: each is a finding.
    pub certificate_ends_within_days: Option<i64>,
    /// The certificate signs others.
    pub certificate_signs: Option<bool>,
}

/// Conditions on a member of etcd; what is not set is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct MemberIs {
    /// Its version is older.
    pub below: Option<Dotted>,
    /// Its version is this one or newer.
    pub at_least: Option<Dotted>,
    /// It answers and knows a leader.
    pub healthy: Option<bool>,
    /// It does not vote yet.
    pub learner: Option<bool>,
    /// It has raised one of these alarms: each is a finding.
    pub alarms: Vec<String>,
}

/// Conditions on a budget that can never be met: there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ImpasseIs {}

impl Rule {
    /// The placeholders that its text may use.
    pub(super) fn placeholders(&self) -> Vec<&'static str> {
        let mut names = vec!["target", "minor", "tag", "brought"];
        if self.node.is_some() {
            names.extend(["node", "kubelet", "runtime", "server"]);
        }
        if self.member.is_some() {
            names.extend(["member", "etcd", "raised"]);
        }
        if self.impasse.is_some() {
            names.extend(["impasse", "impasse-way-out"]);
        }
        names.extend(self.item());
        names
    }

    /// The word for the things of which each is a finding.
    fn item(&self) -> &'static [&'static str] {
        let node = self.node.as_ref();
        if node.is_some_and(|node| !node.kubelet_flags.is_empty()) || !self.cluster.controller_manager_flags.is_empty()
        {
            &["flag"]
        } else if node.is_some_and(|node| node.certificate_ends_within_days.is_some()) {
            &["certificate", "days"]
        } else if !self.cluster.kubeadm_gates.is_empty() {
            &["gate"]
        } else if self.member.as_ref().is_some_and(|member| !member.alarms.is_empty()) {
            &["alarm"]
        } else {
            &[]
        }
    }
}
