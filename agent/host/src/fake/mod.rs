//! A machine that exists only in memory (and, where wanted, in one file): it keeps state and enforces the rules that real ones have, so that
//! code which would fail on a machine fails here. Everything that changes it is counted, and any call can be made to fail or hang.

mod api_servers;
mod apt;
mod etcd;
mod faults;
mod files;
mod keepalived;
mod kernel;
mod kubeadm;
mod kubelet;
mod netfilter;
mod network;
pub mod preset;
mod programs;
mod reach;
mod services;
mod state;
mod static_pods;
mod upgrade;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use slipway_types::{Clock, SystemClock};

pub use api_servers::Server;
pub use apt::{Mirror, Packaging};
pub use etcd::{Cluster, Member, Seating, SharedEtcd};
pub use faults::Fault;
pub use kernel::KernelState;
pub use state::{JoinStop, Joinable, Node, StartedKubelet, State, TransientRun, Unit, UpgradeFault};

use crate::{Error, Host, Profiles};

/// They are the same for all machines, and simulations make thousands of these.
fn profiles() -> Arc<Profiles> {
    static EMBEDDED: OnceLock<Arc<Profiles>> = OnceLock::new();
    EMBEDDED.get_or_init(|| Arc::new(Profiles::embedded().unwrap_or_default())).clone()
}

/// The fake machine behind a [`Host`].
#[derive(Debug, Clone)]
pub struct FakeHost {
    inner: Arc<Inner>,
}

/// The test's own grip on a fake machine.
pub type FakeHandle = FakeHost;

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Its static pods are in step with its manifests, and nobody could change either since. Most calls only look.
    in_step: AtomicBool,
    faults: faults::Faults,
    file: Option<PathBuf>,
    etcd: Option<SharedEtcd>,
    clock: Arc<dyn Clock>,
}

impl FakeHost {
    /// An empty machine with the embedded profiles.
    pub fn new() -> (Host, FakeHandle) {
        Self::of(State::default(), Arc::new(SystemClock))
    }

    /// A worker that kubeadm joined, called `name` (see [`preset::worker`]).
    pub fn worker(name: &str) -> (Host, FakeHandle) {
        Self::of(preset::worker(name), Arc::new(SystemClock))
    }

    /// A machine in `state`, whose long commands take as long as `clock` says.
    pub fn of(state: State, clock: Arc<dyn Clock>) -> (Host, FakeHandle) {
        let fake = Self::made(state, None, None, clock);
        (fake.host(), fake)
    }

    /// The same as one of the machines that share `etcd`: if its files describe a member, that one founds the cluster or is let in.
    pub fn sharing(state: State, clock: Arc<dyn Clock>, etcd: &SharedEtcd) -> (Host, FakeHandle) {
        let fake = Self::made(state, None, Some(etcd.clone()), clock);
        fake.enter();
        (fake.host(), fake)
    }

    fn made(state: State, file: Option<PathBuf>, etcd: Option<SharedEtcd>, clock: Arc<dyn Clock>) -> Self {
        let faults = faults::Faults::default();
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                in_step: AtomicBool::new(false),
                faults,
                file,
                etcd,
                clock,
            }),
        }
    }

    /// A member of etcd that comes with the machine was let in long ago.
    fn enter(&self) {
        let mut state = self.to_change();
        if let Some(shared) = &self.inner.etcd
            && let Err(error) = etcd::sit(&mut state, shared, true)
        {
            tracing::debug!(%error, "the simulated etcd has no place for the machine");
        }
    }

    fn etcd(&self) -> Option<&SharedEtcd> {
        self.inner.etcd.as_ref()
    }

    /// A machine kept in `folder`: as it was left, or in `first` if it is new. It lives on while no process has it open. Machines in folders
    /// beside each other share one etcd, in `etcd.json` above them.
    pub fn open(
        folder: &Path,
        first: impl FnOnce() -> State,
        clock: Arc<dyn Clock>,
    ) -> Result<(Host, FakeHandle), Error> {
        let doing = || format!("opening the simulated host in {}", folder.display());
        std::fs::create_dir_all(folder).map_err(Error::io(doing()))?;
        let file = folder.join("host.json");
        let state = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| Error::Unreadable { doing: doing(), why: error.to_string() })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => first(),
            Err(error) => return Err(Error::io(doing())(error)),
        };
        let etcd = folder.parent().map(|above| SharedEtcd::in_file(&above.join("etcd.json")));
        let fake = Self::made(state, Some(file), etcd, clock);
        fake.enter();
        fake.keep()?;
        Ok((fake.host(), fake))
    }

    /// The machine as a [`Host`].
    pub fn host(&self) -> Host {
        let this = Arc::new(self.clone());
        Host {
            services: this.clone(),
            links: this.clone(),
            netfilter: this.clone(),
            files: this.clone(),
            mounts: this.clone(),
            packages: this.clone(),
            package_manager: Some(this.clone()),
            processes: this.clone(),
            runtime: this.clone(),
            kernel: this.clone(),
            kubeadm: this.clone(),
            etcd: this.clone(),
            api_servers: this.clone(),
            keepalived: this.clone(),
            reach: this.clone(),
            metrics: this.clone(),
            identity: this,
            profiles: profiles(),
        }
    }

    /// The state as it is now, commands that have ended meanwhile included.
    pub fn state(&self) -> State {
        self.now().clone()
    }

    /// Looks at the state as it is now, without a copy of it.
    pub fn see<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.now())
    }

    /// Changes the machine behind everybody's back.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.to_change());
        // Only a simulated machine on a full disk could fail here, and the next call reports it.
        let _ = self.keep();
        result
    }

    /// How often `effect` was done; see [`State::effects`] for the names.
    pub fn effects(&self, effect: &str) -> u64 {
        self.now().effects.get(effect).copied().unwrap_or_default()
    }

    /// The `nth` call (from now, the first is 1) of `call` (such as `services.stop`) meets `fault`.
    pub fn inject(&self, call: &str, nth: u64, fault: Fault) {
        self.inner.faults.inject(call, nth, fault);
    }

    /// Waits until a call hangs as it was told to.
    pub async fn hung(&self) {
        self.inner.faults.hung().await;
    }

    /// The state as it is now, to look at.
    fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = kubeadm::settle(&mut state, self.inner.clock.since_boot(), self.etcd());
        if !self.inner.in_step.swap(true, Ordering::SeqCst) || ended {
            static_pods::settle(&mut state);
        }
        if let Some(shared) = &self.inner.etcd
            && let Err(error) = etcd::sit(&mut state, shared, false)
        {
            tracing::debug!(%error, "the simulated etcd does not know how the machine is");
        }
        state
    }

    /// The same, to change.
    fn to_change(&self) -> MutexGuard<'_, State> {
        let state = self.now();
        self.inner.in_step.store(false, Ordering::SeqCst);
        state
    }

    fn keep(&self) -> Result<(), Error> {
        // Whoever shares something with this machine hears of what was done to it.
        let state = self.now();
        let Some(file) = &self.inner.file else { return Ok(()) };
        let text = serde_json::to_vec_pretty(&*state).map_err(|error| Error::Unreadable {
            doing: "writing the simulated host".into(),
            why: error.to_string(),
        })?;
        let part = file.with_extension("part");
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, file))
            .map_err(Error::io("writing the simulated host"))
    }

    /// A call that only looks.
    async fn look<T>(&self, call: &str, look: impl FnOnce(&State) -> Result<T, Error> + Send) -> Result<T, Error> {
        let fault = self.inner.faults.before(call).await?;
        let result = look(&self.now());
        self.inner.faults.after(call, fault).await?;
        result
    }

    /// A call that changes the machine.
    async fn act<T>(&self, call: &str, act: impl FnOnce(&mut State) -> Result<T, Error> + Send) -> Result<T, Error> {
        let fault = self.inner.faults.before(call).await?;
        let result = act(&mut self.to_change());
        self.keep()?;
        self.inner.faults.after(call, fault).await?;
        result
    }
}
