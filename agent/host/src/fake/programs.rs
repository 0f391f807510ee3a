//! The fake's processes, container runtime, versions, samples and identity.

use std::time::Duration;

use async_trait::async_trait;
use slipway_proto::types::{Disk, HostMetrics, Pressure};

use super::{FakeHost, State};
use crate::{
    Container, Error, Identity, Kubeadm, MachineIdentity, Metrics, Process, Processes, RunningKubelet, Runtime, Sandbox,
};

#[async_trait]
impl Processes for FakeHost {
    async fn list(&self) -> Result<Vec<Process>, Error> {
        self.look("processes.list", |state| Ok(state.processes.clone())).await
    }

    async fn end(&self, process: &Process, _force: bool) -> Result<(), Error> {
        self.act("processes.end", |state| {
            let same = |known: &Process| known.pid == process.pid && known.start_time == process.start_time;
            if !state.processes.iter().any(same) {
                return Ok(());
            }
            state.processes.retain(|known| !same(known));
            state.witness(format!("end {}", process.comm));
            let again: Vec<String> = state
                .units
                .iter()
                .filter(|(_, unit)| unit.comm == process.comm && unit.restarts && !unit.active.is_down())
                .map(|(name, _)| name.clone())
                .collect();
            for unit in again {
                state.start_unit(&unit);
            }
            Ok(())
        })
        .await
    }
}

/// A fake kubelet that is going to end has ended by the time that somebody looks.
const STEADY: Duration = Duration::from_mins(1);

/// The id that an image of that name has.
pub(super) fn image_id(name: &str) -> String {
    format!("sha256:{}", super::files::mark(name))
}

fn answers<T>(state: &State, socket: &str, answer: T) -> Result<T, Error> {
    if state.runtime_up {
        return Ok(answer);
    }
    Err(Error::Runtime { socket: socket.to_owned(), why: "connection refused".into() })
}

#[async_trait]
impl Runtime for FakeHost {
    async fn sandboxes(&self, socket: &str) -> Result<Vec<Sandbox>, Error> {
        self.look("runtime.sandboxes", |state| answers(state, socket, state.sandboxes.clone())).await
    }

    async fn containers(&self, socket: &str) -> Result<Vec<Container>, Error> {
        self.look("runtime.containers", |state| answers(state, socket, state.containers.clone())).await
    }

    async fn version(&self, socket: &str) -> Result<String, Error> {
        self.look("runtime.version", |state| answers(state, socket, "2.0.4".to_owned())).await
    }

    async fn image(&self, socket: &str, name: &str) -> Result<Option<String>, Error> {
        let id = |state: &State| state.images.contains(name).then(|| image_id(name));
        self.look("runtime.image", |state| answers(state, socket, id(state))).await
    }

    async fn pull_image(&self, socket: &str, name: &str, _within: Duration) -> Result<(), Error> {
        self.act("runtime.pull_image", |state| {
            answers(state, socket, ())?;
            if let Some(why) = state.unpullable.get(name) {
                return Err(Error::Image { image: name.to_owned(), why: why.clone() });
            }
            state.witness(format!("pull {name}"));
            state.images.insert(name.to_owned());
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Kubeadm for FakeHost {
    async fn version(&self) -> Result<Option<String>, Error> {
        self.look("kubeadm.version", |state| Ok(state.kubeadm.clone())).await
    }

    async fn kubelet_version(&self) -> Result<Option<String>, Error> {
        self.look("kubeadm.kubelet_version", |state| Ok(state.kubelet.clone())).await
    }

    async fn images(&self, release: &str, repository: Option<&str>) -> Result<Vec<String>, Error> {
        self.look("kubeadm.images", |state| match state.kubeadm {
            Some(_) => Ok(super::upgrade::images(release, repository)),
            None => Err(Error::Command { program: "kubeadm".into(), why: "is not installed".into() }),
        })
        .await
    }

    async fn running_kubelet(&self, pid: u32) -> Result<Option<RunningKubelet>, Error> {
        self.look("kubeadm.running_kubelet", |state| {
            let runs = state.processes.iter().any(|process| process.pid == pid && process.comm == "kubelet");
            let started = state.started_kubelet.clone().unwrap_or_default();
            Ok(runs.then(|| RunningKubelet {
                installed: state.kubelet.as_ref() == Some(&started.version),
                configured: super::kubelet::configuration(state) == started.configuration,
                age: STEADY,
            }))
        })
        .await
    }

    async fn kubelet_is_well(&self, _address: &str) -> Result<bool, Error> {
        self.look("kubeadm.kubelet_is_well", |state| Ok(state.running_kubelet().is_some())).await
    }
}

#[async_trait]
impl Metrics for FakeHost {
    async fn sample(&self) -> Result<HostMetrics, Error> {
        self.look("metrics.sample", |state| {
            let busy = state.processes.len() as f64 + 3.0 * state.containers.len() as f64;
            let pressure = Some(Pressure { some_avg10: 0.0, full_avg10: 0.0 });
            Ok(HostMetrics {
                cpu_percent: busy.min(100.0),
                memory_total_bytes: 4 << 30,
                memory_available_bytes: (4 << 30) - (state.processes.len() as u64) * (64 << 20),
                disks: vec![Disk { mount_point: "/".into(), total_bytes: 40 << 30, available_bytes: 31 << 30 }],
                load_1m: busy / 20.0,
                load_5m: busy / 25.0,
                load_15m: busy / 30.0,
                cpu_pressure: pressure,
                memory_pressure: pressure,
                io_pressure: pressure,
                cores: 2,
            })
        })
        .await
    }
}

#[async_trait]
impl Identity for FakeHost {
    async fn identity(&self) -> Result<MachineIdentity, Error> {
        self.look("identity", |state| Ok(state.identity.clone())).await
    }
}
