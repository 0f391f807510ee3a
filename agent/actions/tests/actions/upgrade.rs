//! What an upgrade asks of hosts, over fake machines: images, kubeadm with its bad days, kubelets that live and kubelets that do not, the way back,
//! and etcd's image.

mod etcd_image;
mod images;
mod kubeadm;
mod kubelet;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use slipway_actions::{Applied, Error, OperationContext, Progress};
use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::fake::{FakeHandle, FakeHost, Fault, SharedEtcd, State, UpgradeFault, preset};
use slipway_proto::types::action::Action as Wire;
use slipway_proto::types::{self};
use slipway_types::{Clock, Timestamp};

use crate::asked::{action, operation};

const TO: &str = "v1.34.4";
const RUN: &str = "run /usr/bin/kubeadm upgrade";
const CONFIG: &str = "/var/lib/kubelet/config.yaml";
const FLAGS: &str = "/var/lib/kubelet/kubeadm-flags.env";
const KEPT: &str = "/var/lib/slipway/agent/upgrade/v1.34.4";

/// Time as tokio has it, so that a paused one passes for everybody.
#[derive(Debug)]
struct Passing(tokio::time::Instant);

impl Clock for Passing {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + self.since_boot()
    }

    fn since_boot(&self) -> Duration {
        self.0.elapsed() + Duration::from_hours(1)
    }
}

struct Machine {
    host: Host,
    handle: FakeHandle,
    clock: Arc<dyn Clock>,
}

impl Machine {
    /// One whose kubeadm is of the new release already.
    fn of(mut state: State) -> Self {
        state.kubeadm = Some(TO.into());
        let clock: Arc<dyn Clock> = Arc::new(Passing(tokio::time::Instant::now()));
        let (host, handle) = FakeHost::of(state, clock.clone());
        Self { host, handle, clock }
    }

    fn master() -> Self {
        Self::of(preset::master("m1"))
    }

    fn worker() -> Self {
        Self::of(preset::worker("w1"))
    }

    fn operation(&self, id: &str) -> OperationContext {
        OperationContext {
            clock: self.clock.clone(),
            deadline: self.clock.since_boot() + Duration::from_hours(1),
            ..operation(id)
        }
    }

    async fn apply(&self, wire: Wire, id: &str) -> Result<Applied, Error> {
        action(wire).apply(&self.host, &self.operation(id)).await
    }

    async fn done(&self, wire: Wire, id: &str) -> Applied {
        self.apply(wire, id).await.unwrap_or_else(|error| panic!("{id}: {}", error.coded()))
    }

    /// It fails, and says this.
    async fn fails(&self, wire: Wire, id: &str) -> (Code, String) {
        let error = self.apply(wire, id).await.unwrap_err();
        (error.coded().code, error.to_string())
    }

    /// It is refused before anything is done.
    async fn refused(&self, wire: Wire) -> (Code, String) {
        let before = self.handle.state().effects;
        let error = self.apply(wire, "refused").await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert_eq!(self.handle.state().effects, before, "something was done");
        (error.coded().code, error.to_string())
    }

    fn text(&self, path: &str) -> String {
        self.handle.state().text(path).unwrap_or_else(|| panic!("{path} is not there")).to_owned()
    }

    fn goes_wrong(&self, fault: UpgradeFault) {
        self.handle.change(|state| state.upgrade_fault = Some(fault));
    }
}

fn apply() -> Wire {
    upgrade(types::UpgradeKubeadm { first: true, control_plane: true, ..types::UpgradeKubeadm::default() })
}

fn node() -> Wire {
    upgrade(types::UpgradeKubeadm::default())
}

fn upgrade(upgrade: types::UpgradeKubeadm) -> Wire {
    let kubernetes =
        if upgrade.kubernetes.is_empty() { TO.trim_start_matches('v').to_owned() } else { upgrade.kubernetes };
    Wire::UpgradeKubeadm(types::UpgradeKubeadm { kubernetes, ..upgrade })
}

fn restart() -> Wire {
    Wire::RestartKubelet(types::RestartKubelet { kubernetes: TO.into() })
}

fn back() -> Wire {
    Wire::RollBackKubelet(types::RollBackKubelet::default())
}
