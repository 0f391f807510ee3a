//! The wire between a simulated host and the simulated cluster: a kubelet that does not run there says nothing here, and one that does run
//! registers its Node again. Without it a worker could leave the cluster while its kubelet is still up, and no test would notice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use slipway_cluster::fake::FakeApiServer;
use slipway_host::Active;
use slipway_host::fake::{FakeHandle, State};

/// Whether the kubelet of this machine runs and has credentials to speak with.
pub fn kubelet_speaks(state: &State) -> bool {
    let runs = state.units.get("kubelet.service").is_some_and(|unit| unit.active == Active::Active);
    runs && state.files.contains_key(std::path::Path::new("/etc/kubernetes/kubelet.conf"))
}

/// What VRRP does: where nobody has the address that moves, the first machine takes it whose keepalived runs.
pub fn settle_address<'m>(machines: impl Iterator<Item = &'m FakeHandle>) {
    let machines: Vec<_> = machines.collect();
    if !machines.iter().any(|machine| machine.see(State::holds_vip)) {
        let _ = machines.iter().any(|machine| machine.change(State::take_vip));
    }
}

/// Tells the cluster how kubelets are, when that has changed: telling makes its controllers look at everything.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<BTreeMap<String, bool>>>);

impl Wire {
    /// The kubelet of `name` speaks, or does not.
    pub fn tell(&self, api: &FakeApiServer, name: &str, speaks: bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(name.to_owned(), speaks) != Some(speaks) {
            api.kubelet(name, speaks);
            api.tick();
        }
    }
}
