//! The whole state of a fake machine as one serialisable value: it can be compared, written to disk, and read back by the next process.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    Active, Container, Enablement, Link, MachineIdentity, Mount, Namespace, Process, Route, Ruleset, Sandbox, Transient,
};

const KEEPALIVED: &str = "keepalived.service";

/// Something in the fake file tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Node {
    /// A file with its content.
    File(String),
    /// A folder.
    Directory,
    /// A symbolic link with what it leads to.
    Symlink(PathBuf),
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Whether it runs.
    pub active: Active,
    /// Whether it would start.
    pub enablement: Enablement,
    /// What it was before it was masked.
    pub unmasked: Enablement,
    /// systemd starts it again when its process dies.
    pub restarts: bool,
    /// The short name of its main process.
    pub comm: String,
}

/// A transient service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransientRun {
    /// What was asked for.
    pub transient: Transient,
    /// Boot time in milliseconds at which the command ends.
    pub ends_ms: u64,
    /// Its time limit ends it before it is done.
    pub cut: bool,
    /// Its exit code, once it ended.
    pub exit: Option<i32>,
}

/// What goes wrong with a `kubeadm upgrade`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpgradeFault {
    /// It ends with 0 and has done nothing.
    NoEffect,
    /// It does everything and ends with 1.
    FailsAfterwards,
    /// It ends with 1 when it has changed so many manifests.
    FailsAfter(usize),
    /// It never ends by itself when it has changed so many manifests.
    HangsAfter(usize),
    /// It puts everything back when it has changed so many manifests, and ends with 1.
    RollsBackAfter(usize),
}

/// A kubelet, as it was started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedKubelet {
    /// Its version.
    pub version: String,
    /// The mark of what it was configured with.
    pub configuration: String,
}

/// A cluster, as somebody sees it who wants to join.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joinable {
    /// The bootstrap tokens that it lets in.
    pub tokens: BTreeSet<String>,
    /// The hash of its authority's public key.
    pub ca_cert_hash: String,
    /// The hash of the key that opens its certificates, while they are uploaded.
    #[serde(default)]
    pub certificates: Option<String>,
    /// The version that kubeadm last made control planes of, such as `v1.34.4`: a new master gets that, whatever kubeadm it has; empty: what the
    /// preset has.
    #[serde(default)]
    pub control_plane: String,
}

/// How far a `kubeadm join` of a control plane comes before it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinStop {
    /// Its member of etcd was added, and never starts.
    Added,
    /// Its member runs, and does not vote.
    Learner,
    /// Its member votes, and not every static pod has a manifest.
    Promoted,
}

/// A fake machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Who it is.
    pub identity: MachineIdentity,
    /// Units by name.
    pub units: BTreeMap<String, Unit>,
    /// Transient services by name.
    pub transients: BTreeMap<String, TransientRun>,
    /// Links.
    pub links: Vec<Link>,
    /// Routes.
    pub routes: Vec<Route>,
    /// Named network namespaces.
    pub namespaces: Vec<Namespace>,
    /// The firewall.
    pub ruleset: Ruleset,
    /// The file tree; every parent is in it.
    pub files: BTreeMap<PathBuf, Node>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// Mount points that cannot be unmounted.
    pub busy: BTreeSet<PathBuf>,
    /// Paths that packages own.
    pub owned: BTreeSet<PathBuf>,
    /// Processes.
    pub processes: Vec<Process>,
    /// Pod sandboxes.
    pub sandboxes: Vec<Sandbox>,
    /// Containers.
    pub containers: Vec<Container>,
    /// The container runtime answers.
    pub runtime_up: bool,
    /// kubeadm's version; `None`: not installed.
    pub kubeadm: Option<String>,
    /// The kubelet's version.
    pub kubelet: Option<String>,
    /// How long a `kubeadm reset` takes, in milliseconds.
    pub reset_ms: u64,
    /// Which member of the simulated etcd its data belongs to.
    #[serde(default)]
    pub etcd: Option<super::Seating>,
    /// API servers of other machines, by address; one that is not here does not answer.
    #[serde(default)]
    pub api_servers: BTreeMap<String, super::Server>,
    /// Modes of files that were written with one.
    #[serde(default)]
    pub modes: BTreeMap<PathBuf, u32>,
    /// Static pods that its kubelet has started, each with a hash of the manifest that it was started from.
    #[serde(default)]
    pub static_pods: BTreeMap<String, u64>,
    /// Images that the running static pods were started with.
    #[serde(default)]
    pub pod_images: BTreeMap<String, String>,
    /// The virtual address that its keepalived may hold.
    #[serde(default)]
    pub vip: Option<String>,
    /// The next `kubeadm join` comes as far as a kubelet that runs, and fails.
    #[serde(default)]
    pub join_fails: bool,
    /// The id of the bootstrap token that its kubelet asked for its certificate with.
    #[serde(default)]
    pub asked_with: String,
    /// Neither name servers nor pods answer it.
    #[serde(default)]
    pub network_broken: bool,
    /// The next `kubeadm join` of a control plane fails there.
    #[serde(default)]
    pub join_stops: Option<JoinStop>,
    /// The hash of the key under which it has uploaded the cluster's certificates, until the cluster has them.
    #[serde(default)]
    pub uploaded: Option<String>,
    /// What goes wrong with the next `kubeadm upgrade`.
    #[serde(default)]
    pub upgrade_fault: Option<UpgradeFault>,
    /// The kubelet that was started last.
    #[serde(default)]
    pub started_kubelet: Option<StartedKubelet>,
    /// Versions of the kubelet that end here right after their start, each with its last words.
    #[serde(default)]
    pub kubelet_dies: BTreeMap<String, String>,
    /// What units said, the last at the end.
    #[serde(default)]
    pub said: BTreeMap<String, Vec<String>>,
    /// Images that the container runtime has.
    #[serde(default)]
    pub images: BTreeSet<String>,
    /// Images that cannot be pulled, each with what the runtime says of it.
    #[serde(default)]
    pub unpullable: BTreeMap<String, String>,
    /// Images whose program ends right after its start.
    #[serde(default)]
    pub sick_images: BTreeSet<String>,
    /// How often each file was written or moved.
    #[serde(default)]
    pub written: BTreeMap<PathBuf, u64>,
    /// Clusters that it can join, by the address of their API server.
    #[serde(default)]
    pub clusters: BTreeMap<String, Joinable>,
    /// Its packages, and the repositories that it can reach.
    #[serde(default)]
    pub packaging: super::Packaging,
    /// Its kernel.
    #[serde(default)]
    pub kernel: super::KernelState,
    /// A text that the container runtime does not start with, where it stands in its configuration.
    #[serde(default)]
    pub runtime_refuses: Option<String>,
    /// The next process number.
    pub next_pid: u32,
    /// How often each thing that changes the machine was done: an independent witness.
    pub effects: BTreeMap<String, u64>,
}

impl State {
    /// Notes that something was done to the machine.
    pub fn witness(&mut self, effect: impl Into<String>) {
        *self.effects.entry(effect.into()).or_default() += 1;
    }

    /// Writes a file and the folders above it.
    pub fn write(&mut self, path: &str, content: &str) {
        self.directory_above(path);
        self.files.insert(path.into(), Node::File(content.to_owned()));
        self.touch(std::path::Path::new(path));
    }

    /// Notes that the file was written or moved: whoever looks at its times sees that.
    pub fn touch(&mut self, path: &std::path::Path) {
        *self.written.entry(path.to_owned()).or_default() += 1;
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.files.get(std::path::Path::new(path)) {
            Some(Node::File(text)) => Some(text),
            _ => None,
        }
    }

    /// Makes a folder and those above it.
    pub fn directory(&mut self, path: &str) {
        self.directory_above(path);
        self.files.insert(path.into(), Node::Directory);
    }

    fn directory_above(&mut self, path: &str) {
        for above in std::path::Path::new(path).ancestors().skip(1).filter(|above| above.parent().is_some()) {
            self.files.entry(above.to_owned()).or_insert(Node::Directory);
        }
    }

    /// Everything below `folder`, children first.
    pub fn below(&self, folder: &std::path::Path) -> Vec<PathBuf> {
        self.files.keys().rev().filter(|path| *path != folder && path.starts_with(folder)).cloned().collect()
    }

    /// Starts a process and gives its number.
    pub fn spawn(&mut self, comm: &str, exe: &str) -> u32 {
        self.next_pid = self.next_pid.max(99) + 1;
        self.processes.push(Process {
            pid: self.next_pid,
            start_time: u64::from(self.next_pid) * 100,
            comm: comm.to_owned(),
            exe: Some(exe.to_owned()),
            cmdline: vec![exe.to_owned()],
        });
        self.next_pid
    }

    /// Starts a unit as systemd would: a masked or unknown one stays down.
    pub fn start_unit(&mut self, name: &str) -> bool {
        let Some(unit) = self.units.get_mut(name) else { return false };
        if unit.enablement == Enablement::Masked {
            return false;
        }
        unit.active = Active::Active;
        let comm = unit.comm.clone();
        // One that does its work and ends has no process to show.
        if !comm.is_empty() && !self.processes.iter().any(|process| process.comm == comm) {
            self.spawn(&comm, &format!("/usr/bin/{comm}"));
            if name == super::kubelet::UNIT {
                super::kubelet::started(self);
            }
        }
        true
    }

    /// Starts what has a manifest, as the kubelet does before anybody looks.
    pub(super) fn static_pods_settled(&mut self) {
        super::static_pods::settle(self);
    }

    /// Stops a unit and its process.
    pub fn stop_unit(&mut self, name: &str) {
        let Some(unit) = self.units.get_mut(name) else { return };
        unit.active = Active::Inactive;
        let comm = unit.comm.clone();
        self.processes.retain(|process| process.comm != comm);
        if name == KEEPALIVED {
            self.drop_vip();
        }
    }

    /// Whether it has the virtual address now.
    pub fn holds_vip(&self) -> bool {
        let Some(vip) = &self.vip else { return false };
        self.links.iter().any(|link| link.addresses.iter().any(|address| address.split('/').next() == Some(vip)))
    }

    /// Takes the virtual address, if its keepalived runs.
    pub fn take_vip(&mut self) -> bool {
        let runs = self.units.get(KEEPALIVED).is_some_and(|unit| unit.active == Active::Active);
        if let (true, Some(vip)) = (runs, self.vip.clone())
            && !self.holds_vip()
            && let Some(link) = self.links.iter_mut().find(|link| link.name == "eth0")
        {
            link.addresses.push(format!("{vip}/32"));
        }
        self.holds_vip()
    }

    fn drop_vip(&mut self) {
        let Some(vip) = self.vip.clone() else { return };
        for link in &mut self.links {
            link.addresses.retain(|address| address.split('/').next() != Some(vip.as_str()));
        }
    }

    /// The machine goes down and comes up: what lived in memory is gone, what is enabled starts.
    pub fn reboot(&mut self) {
        self.power_off();
        self.identity.boot_id = format!("{}+", self.identity.boot_id);
        let enabled = |unit: &Unit| unit.enablement == Enablement::Enabled;
        let names: Vec<String> =
            self.units.iter().filter(|(_, unit)| enabled(unit)).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.start_unit(&name);
        }
        self.load_modules();
        self.apply_sysctls();
    }

    /// The power is cut: what lived in memory is gone, and nothing starts until a reboot.
    pub fn power_off(&mut self) {
        self.transients.clear();
        self.processes.clear();
        self.containers.clear();
        self.sandboxes.iter_mut().for_each(|sandbox| sandbox.ready = false);
        self.namespaces.clear();
        self.mounts.retain(|mount| mount.fs_type != "tmpfs");
        self.links.retain(|link| link.kind.is_empty());
        self.routes.retain(|route| route.protocol == 4);
        self.ruleset = Ruleset::default();
        for path in self.below(std::path::Path::new("/run")) {
            self.files.remove(&path);
        }
        for unit in self.units.values_mut() {
            unit.active = Active::Inactive;
        }
        self.kernel.power_off();
        self.drop_vip();
    }
}
