//! How a coordinator is configured: every key with its default. Fragments lie in /usr/lib/slipway/coordinator.d (ours) and
//! /etc/slipway/coordinator.d (the operator's); `slipway-coordinator --print-config` shows the outcome.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_store::Url;
use slipway_types::without_credentials;

/// Where fragments are looked for, later ones winning.
pub const FOLDERS: [&str; 2] = ["/usr/lib/slipway/coordinator.d", "/etc/slipway/coordinator.d"];

/// Arguments of the kubelet that agents set for single hosts.
const KUBELET_ARGUMENTS: [&str; 6] = ["node-ip", "cluster-dns", "cluster-domain", "resolv-conf", "max-pods", "v"];

/// The validated settings of a coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where operators, other coordinators and enrolling agents come in.
    pub listen: SocketAddr,
    /// Where Prometheus reads /metrics; plain HTTP, so keep it on loopback.
    pub metrics: SocketAddr,
    /// The identity, and with the default store its file.
    pub state_dir: PathBuf,
    /// `sqlite:PATH` or `memory:`; empty: `sqlite:` in the state folder.
    pub store: String,
    /// How the cluster is reached.
    pub kubernetes: Kubernetes,
    /// What may be out of service at once.
    pub budget: Budget,
    /// How agents are spoken to.
    pub agents: Agents,
    /// What is issued.
    pub certificates: Certificates,
    /// How hosts join.
    pub join: Join,
    /// How clusters are upgraded.
    pub upgrade: Upgrade,
    /// Where packages of Kubernetes come from.
    pub packages: Packages,
    /// What hosts have to be like, and are made like.
    pub host: Host,
}

/// How the cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Kubernetes {
    /// A kubeconfig whose user may do what deploy/rbac names.
    pub kubeconfig: PathBuf,
    /// The API servers, such as `https://10.0.0.1:6443`, tried in turn; empty: the one in the kubeconfig.
    pub endpoints: Vec<String>,
}

/// What may be out of service at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Budget {
    /// Nodes of a pool that may be disrupted at once, counting those that are not Ready or cordoned for any reason. At least 1.
    pub max_disrupted: u32,
    /// Pools by name. Nodes in none are the pool `workers`.
    pub pools: BTreeMap<String, Pool>,
}

/// Nodes that share a budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pool {
    /// The label that makes a node one of the pool, as `key=value`.
    pub label: String,
    /// As in [`Budget::max_disrupted`].
    pub max_disrupted: u32,
}

/// How agents are spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Agents {
    /// Milliseconds between heartbeats, 250 to 60000.
    pub heartbeat_ms: u32,
    /// Milliseconds without a heartbeat after which an agent counts as silent.
    pub silent_after_ms: u32,
    /// Milliseconds that a step waits for a silent agent before the run pauses.
    pub patience_ms: u32,
}

/// How hosts join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Join {
    /// Preflight checks of kubeadm that are overlooked, by name. `all` is refused: some of them keep a host from being ruined.
    pub ignore_preflight_errors: Vec<String>,
    /// Milliseconds for which a new node has to stay Ready before the join is done.
    pub soak_ms: u32,
    /// A new node is proved by a pod of our own and by a question to the cluster's DNS.
    pub canary: bool,
    /// The image of that pod; empty: the pause image that the nodes have.
    pub canary_image: String,
    /// Milliseconds that each of the two proofs may take.
    pub canary_ms: u32,
}

/// How clusters are upgraded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Upgrade {
    /// Milliseconds for which an upgraded master has to be well on end before the next one. A new kubelet restarts every static pod a second or
    /// two after its own start.
    pub settle_ms: u32,
    /// Milliseconds for which an upgraded worker has to stay Ready before the next one.
    pub soak_ms: u32,
}

/// Where packages of Kubernetes come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Packages {
    /// The repository of a minor, in which `{minor}` stands for `1.34`.
    pub url: String,
    /// The armoured public key that signs it; empty: a keyring on the hosts.
    pub key: String,
    /// The path of that keyring on the hosts; empty: the usual one.
    pub keyring: String,
}

/// What hosts have to be like, and are made like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Host {
    /// Hosts are prepared before they join: modules, sysctls, containerd's configuration.
    pub prepare: bool,
    /// `systemd` or `cgroupfs`, for containerd; empty: what the cluster's kubelets are configured with.
    pub cgroup_driver: String,
    /// The image of pod sandboxes; empty: containerd's configuration keeps what it has.
    pub sandbox_image: String,
    /// Mirrors of registries, each with its endpoints in the order that they are tried in.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Arguments of every kubelet that is joined, beside those of the cluster.
    pub kubelet_arguments: BTreeMap<String, String>,
    /// The address that its agent is reached at is the node's: the argument `node-ip`.
    pub node_ip_of_agent: bool,
    /// MiB that have to be free at `/` and where containers and the kubelet keep their things.
    pub free_mib: u32,
    /// MiB that have to be free where a master's etcd keeps its data.
    pub free_mib_etcd: u32,
}

/// What is issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Certificates {
    /// Hours that an agent's certificate is good for; it is renewed at half of that.
    pub agent_hours: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7400)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 7404)),
            state_dir: "/var/lib/slipway/coordinator".into(),
            store: String::new(),
            kubernetes: Kubernetes::default(),
            budget: Budget::default(),
            agents: Agents::default(),
            certificates: Certificates::default(),
            join: Join::default(),
            upgrade: Upgrade::default(),
            packages: Packages::default(),
            host: Host::default(),
        }
    }
}

impl Default for Kubernetes {
    fn default() -> Self {
        Self { kubeconfig: "/etc/slipway/kubeconfig".into(), endpoints: Vec::new() }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self { max_disrupted: 1, pools: BTreeMap::new() }
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self { heartbeat_ms: 1000, silent_after_ms: 4000, patience_ms: 20_000 }
    }
}

impl Default for Join {
    fn default() -> Self {
        Self {
            ignore_preflight_errors: Vec::new(),
            soak_ms: 5000,
            canary: true,
            canary_image: String::new(),
            canary_ms: 300_000,
        }
    }
}

impl Default for Packages {
    fn default() -> Self {
        Self {
            url: "https://pkgs.k8s.io/core:/stable:/v{minor}/deb/".to_owned(),
            key: String::new(),
            keyring: String::new(),
        }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            prepare: true,
            cgroup_driver: String::new(),
            sandbox_image: String::new(),
            mirrors: BTreeMap::new(),
            kubelet_arguments: BTreeMap::new(),
            node_ip_of_agent: false,
            free_mib: 2048,
            free_mib_etcd: 2048,
        }
    }
}

impl Default for Upgrade {
    fn default() -> Self {
        Self { settle_ms: 10_000, soak_ms: 10_000 }
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self { agent_hours: 24 }
    }
}

impl Settings {
    /// Whether the store is one that several coordinators can share.
    pub fn may_be_several(&self) -> bool {
        matches!(self.store.parse(), Ok(Url::Etcd(_)))
    }

    /// Refuses what could not work, with the key's name.
    pub fn validated(mut self) -> Result<Self, Coded> {
        if self.store.is_empty() {
            self.store = format!("sqlite:{}", self.state_dir.join("store.sqlite").display());
        }
        let pools = self
            .budget
            .pools
            .iter()
            .map(|(name, pool)| (format!("budget.pools.{name}.max-disrupted"), pool.max_disrupted));
        for (key, value) in pools.chain([("budget.max-disrupted".to_owned(), self.budget.max_disrupted)]) {
            in_range(&key, value, 1, 10_000)?;
        }
        for (name, pool) in &self.budget.pools {
            if !pool.label.contains('=') {
                return Err(bad(&format!("budget.pools.{name}.label"), &pool.label, "is a label such as pool=web"));
            }
        }
        for endpoint in &self.kubernetes.endpoints {
            if !endpoint.starts_with("https://") {
                return Err(bad("kubernetes.endpoints", endpoint, "is a URL such as https://10.0.0.1:6443"));
            }
        }
        for name in &self.join.ignore_preflight_errors {
            if name.eq_ignore_ascii_case("all") {
                return Err(bad("join.ignore-preflight-errors", name, "names single checks"));
            }
        }
        self.host.validated()?;
        in_range("join.soak-ms", self.join.soak_ms, 0, 3_600_000)?;
        proof(&self.join)?;
        if !self.packages.url.contains("{minor}") {
            return Err(bad(
                "packages.url",
                &without_credentials(&self.packages.url),
                "has {minor} where 1.34 is to stand",
            ));
        }
        in_range("upgrade.settle-ms", self.upgrade.settle_ms, 0, 600_000)?;
        in_range("upgrade.soak-ms", self.upgrade.soak_ms, 0, 3_600_000)?;
        in_range("agents.heartbeat-ms", self.agents.heartbeat_ms, 250, 60_000)?;
        in_range("agents.silent-after-ms", self.agents.silent_after_ms, 2 * self.agents.heartbeat_ms, 600_000)?;
        in_range("agents.patience-ms", self.agents.patience_ms, 100, 3_600_000)?;
        in_range("certificates.agent-hours", self.certificates.agent_hours, 1, 24 * 365)?;
        Ok(self)
    }

    /// How long a step waits for a silent agent before the run pauses.
    pub fn patience(&self) -> Duration {
        Duration::from_millis(self.agents.patience_ms.into())
    }
}

impl Host {
    /// What an agent would refuse is refused at the start already, with the key's name.
    fn validated(&self) -> Result<(), Coded> {
        if !matches!(self.cgroup_driver.as_str(), "" | "systemd" | "cgroupfs") {
            return Err(bad("host.cgroup-driver", &self.cgroup_driver, "is systemd, cgroupfs or empty"));
        }
        for (registry, endpoints) in &self.mirrors {
            let url = |endpoint: &String| endpoint.starts_with("https://") || endpoint.starts_with("http://");
            if endpoints.is_empty() || !endpoints.iter().all(url) {
                let key = format!("host.mirrors.{registry:?}");
                return Err(bad(&key, &endpoints.join(", "), "is a list of URLs such as https://mirror.example:5000"));
            }
        }
        if let Some(name) = self.kubelet_arguments.keys().find(|name| !KUBELET_ARGUMENTS.contains(&name.as_str())) {
            let rule = format!(
                "is one of {}; whatever all kubelets share stands in the cluster's own kubelet-config",
                KUBELET_ARGUMENTS.join(", ")
            );
            return Err(bad("host.kubelet-arguments", name, &rule));
        }
        in_range("host.free-mib", self.free_mib, 0, 1 << 20)?;
        in_range("host.free-mib-etcd", self.free_mib_etcd, 0, 1 << 20)
    }
}

/// How new nodes are proved.
fn proof(join: &Join) -> Result<(), Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '@');
    if join.canary_image.len() > 512 || !join.canary_image.chars().all(legal) {
        return Err(bad("join.canary-image", &join.canary_image, "is an image such as registry.k8s.io/pause:3.10"));
    }
    in_range("join.canary-ms", join.canary_ms, 1000, 3_600_000)
}

fn in_range(key: &str, value: u32, least: u32, most: u32) -> Result<(), Coded> {
    if (least..=most).contains(&value) {
        Ok(())
    } else {
        Err(bad(key, &value, &format!("is between {least} and {most}")))
    }
}

fn bad(key: &str, value: &dyn std::fmt::Display, rule: &str) -> Coded {
    Coded::new(Code::CONF_BAD_VALUE, format!("{key} = {value}: it {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_name_a_store() {
        let settings = Settings::default().validated().unwrap();
        assert_eq!(settings.store, "sqlite:/var/lib/slipway/coordinator/store.sqlite");
    }

    #[test]
    fn a_budget_of_nothing_and_a_silence_shorter_than_two_heartbeats_are_refused() {
        let mut settings = Settings::default();
        settings.budget.max_disrupted = 0;
        assert!(settings.validated().unwrap_err().to_string().contains("budget.max-disrupted = 0"));
        let mut settings = Settings::default();
        settings.agents.silent_after_ms = 1500;
        assert_eq!(settings.validated().unwrap_err().code, Code::CONF_BAD_VALUE);
    }

    #[test]
    fn not_all_of_kubeadms_checks_may_be_overlooked() {
        let mut settings = Settings::default();
        settings.join.ignore_preflight_errors = vec!["NumCPU".into(), "all".into()];
        assert!(settings.validated().unwrap_err().to_string().contains("join.ignore-preflight-errors = all"));
    }

    #[test]
    fn what_no_agent_would_do_to_a_host_is_refused_by_its_key() {
        let refused = |spoil: fn(&mut Host), key: &str| {
            let mut settings = Settings::default();
            spoil(&mut settings.host);
            let error = settings.validated().unwrap_err();
            assert!(error.code == Code::CONF_BAD_VALUE && error.message.contains(key), "{error}");
        };
        refused(|host| host.cgroup_driver = "none".into(), "host.cgroup-driver");
        refused(|host| drop(host.mirrors.insert("docker.io".into(), vec!["mirror".into()])), "host.mirrors");
        refused(|host| drop(host.kubelet_arguments.insert("config".into(), "/x".into())), "host.kubelet-arguments");
        refused(|host| host.free_mib = u32::MAX, "host.free-mib");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let settings = Settings::default().validated().unwrap();
        assert_eq!(toml::from_str::<Settings>(&toml::to_string(&settings).unwrap()).unwrap(), settings);
    }
}
