//! One lab from its first host to the last trace of it: up, found again, down. There is one at a time in a network namespace, because its network
//! is one; `down` clears what any earlier lab left, however it ended.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::build::{self, Built};
use crate::cgroups::Cgroups;
use crate::each::each;
use crate::host::Host;
use crate::install::{self, Binaries};
use crate::progress::step;
use crate::shape::{COORDINATOR, HostPlan, Role, Shape};
use crate::state::{Record, State};
use crate::{cluster, lanes, limits, mirror, mounts, network, paths, prerequisites};

const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// A lab that is up.
#[derive(Clone, Debug)]
pub struct Lab {
    state: State,
    shape: Shape,
    hosts: Vec<Host>,
    built: Built,
}

impl Lab {
    /// Boots the hosts of a shape and makes a cluster of them, with Slipway on it if its programs are there. Refuses if a lab
    /// is up, or was left by a program that died.
    pub fn up(shape: Shape, binaries: &Binaries) -> Result<Self> {
        build::check_tools()?;
        let state = State::new(paths::state());
        let _lock = state.lock()?;
        Self::up_locked(state, shape, binaries)
    }

    pub(crate) fn up_locked(state: State, shape: Shape, binaries: &Binaries) -> Result<Self> {
        let shape = shape.validate()?;
        if let Some(record) = state.read()? {
            let word = if record.ready { "is up" } else { "was left half-made" };
            bail!("a lab {word} in {}: `slipway-lab down` first", state.dir().display());
        }
        network::check_free()?;
        limits::raise()?;
        let built = build::ensure(shape.release)?;
        let lab = Self::assemble(state, shape, built);
        lab.mark(false)?;
        lab.make(binaries)?;
        lab.mark(true)?;
        Ok(lab)
    }

    /// The lab that is up, or was left half-made or broken: that one is for looking into.
    pub fn open() -> Result<Self> {
        prerequisites::to_boot()?;
        let state = State::new(paths::state());
        let Some(Record { shape, built, .. }) = state.read()? else { bail!("no lab is up: `slipway-lab up`") };
        Ok(Self::assemble(state, shape, built))
    }

    /// Whether it came up whole, and no test has failed on it since.
    pub fn is_whole(&self) -> Result<bool> {
        Ok(self.state.read()?.is_some_and(|record| record.ready))
    }

    /// Brings Slipway on the hosts to what is built now, without making them anew.
    pub fn install(&self, binaries: &Binaries) -> Result<()> {
        install::slipway(self, binaries)
    }

    /// Removes every trace of a lab; fine if there is none. Only what the lab itself started is ended.
    pub fn down() -> Result<()> {
        prerequisites::to_boot()?;
        for folder in lanes::folders() {
            let state = State::new(folder);
            let _lock = state.lock()?;
            Self::down_locked(&state)?;
        }
        let state = State::new(paths::state());
        let _lock = state.lock()?;
        Self::down_locked(&state)
    }

    pub(crate) fn down_locked(state: &State) -> Result<()> {
        let cgroups = Cgroups::new(state.dir());
        let mut names = cgroups.hosts();
        names.extend(state.hosts());
        let plan = |name: String| HostPlan { name, role: Role::Worker, number: 0 };
        let hosts: Vec<Host> = names.into_iter().map(|name| Host::new(state.dir(), plan(name))).collect();
        each(&hosts, Host::power_cut)?;
        cgroups.remove()?;
        mounts::remove_tree(&state.hosts_dir())?;
        if state.exists() {
            network::down()?;
        }
        state.forget()
    }

    /// How large it is, and of which release it was made.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All hosts: masters, workers, the coordinator's.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// All hosts with an agent: nodes, and those that may become some.
    pub fn agents(&self) -> Vec<Host> {
        self.hosts.iter().filter(|host| host.plan().has_agent()).cloned().collect()
    }

    /// The hosts that are nodes from the start.
    pub fn nodes(&self) -> Vec<Host> {
        self.hosts.iter().filter(|host| host.plan().is_node()).cloned().collect()
    }

    /// The host of a name.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts.iter().find(|host| host.name() == name).with_context(|| {
            let names: Vec<&str> = self.hosts.iter().map(Host::name).collect();
            format!("no host is called {name}; there are {}", names.join(", "))
        })
    }

    /// The coordinator's host.
    pub fn coordinator(&self) -> Result<&Host> {
        self.host(COORDINATOR)
    }

    /// The first master that has power and is one: after a reset the administrator's credentials are gone from there.
    pub fn master(&self) -> Result<&Host> {
        let serves = |host: &&Host| host.is_up() && host.has_path(ADMIN).unwrap_or_default();
        self.masters().into_iter().find(serves).context("no master is up")
    }

    /// All hosts that were made masters, whatever became of them.
    pub fn masters(&self) -> Vec<&Host> {
        self.hosts.iter().filter(|host| host.role() == Role::Master).collect()
    }

    /// Runs kubectl with the administrator's rights on the first master that is one.
    pub fn kubectl(&self, words: &[&str]) -> Result<String> {
        self.master()?.run_ok(&[&["kubectl"], words].concat())
    }

    /// `kubectl ... -o json`, parsed.
    pub fn kubectl_json(&self, words: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[words, &["-o", "json"]].concat())?;
        serde_json::from_str(&text).with_context(|| format!("kubectl {} speaks JSON", words.join(" ")))
    }

    /// Gives a host power again after `Host::power_cut` or `Host::power_off`, and waits until it has booted.
    pub fn boot(&self, name: &str) -> Result<()> {
        let host = self.host(name)?;
        host.start(self.shape, &self.built)?;
        host.wait_booted()
    }

    /// Writes down whether it is whole; one that is not is never used again.
    pub(crate) fn mark(&self, ready: bool) -> Result<()> {
        self.state.write(&Record { shape: self.shape, built: self.built.clone(), ready })
    }

    /// Keeps it from every later test: what is done to it is not undone.
    pub(crate) fn spend(&self) -> Result<()> {
        self.mark(false)
    }

    pub(crate) fn built(&self) -> &Built {
        &self.built
    }

    fn assemble(state: State, shape: Shape, built: Built) -> Self {
        let hosts = shape.hosts().into_iter().map(|plan| Host::new(state.dir(), plan)).collect();
        Self { state, shape, hosts, built }
    }

    fn make(&self, binaries: &Binaries) -> Result<()> {
        fs::create_dir_all(self.state.hosts_dir())?;
        let plans: Vec<HostPlan> = self.shape.hosts();
        step(&format!("boot {} hosts", plans.len()), || {
            network::up(&plans)?;
            each(&self.hosts, |host| host.start(self.shape, &self.built))?;
            each(&self.hosts, Host::wait_booted)
        })?;
        cluster::make(self)?;
        mirror::up(self)?;
        self.install(binaries)?;
        ensure!(self.hosts.iter().all(Host::is_up), "a host went down while the lab came up");
        Ok(())
    }
}
