//! The wire between a simulated host and the simulated cluster: a kubelet that does not run there says nothing here, and one that does run
//! registers its Node again. Without it a worker could leave the cluster while its kubelet is still up, and no test would notice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use slipway_cluster::fake::FakeApiServer;
use slipway_host::Active;
use slipway_host::fake::preset::AUTHORITY;
use slipway_host::fake::{FakeHandle, Joinable, State};

use crate::workload::VIP;

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

/// What somebody sees of the cluster who is about to join: the tokens that it lets in, and its authority.
pub fn joinable(api: &FakeApiServer) -> BTreeMap<String, Joinable> {
    static HASH: OnceLock<String> = OnceLock::new();
    let mut tokens = BTreeSet::new();
    api.each("secrets", |secret| {
        let of = |key: &str| {
            let encoded = secret["data"][key].as_str().unwrap_or_default();
            String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default()
        };
        if secret["type"] == "bootstrap.kubernetes.io/token" {
            tokens.insert(format!("{}.{}", of("token-id"), of("token-secret")));
        }
    });
    let hash = HASH.get_or_init(|| slipway_cluster::ca_cert_hashes(AUTHORITY.as_bytes()).concat());
    let cluster = Joinable { tokens, ca_cert_hash: hash.clone() };
    BTreeMap::from([(format!("{VIP}:6443"), cluster)])
}

/// Tells the cluster how kubelets are, when that has changed: telling makes its controllers look at everything.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<BTreeMap<String, bool>>>);

impl Wire {
    /// The kubelet of `name` speaks, or does not.
    pub fn tell(&self, api: &FakeApiServer, name: &str, machine_id: &str, speaks: bool) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(name.to_owned(), speaks) != Some(speaks) {
            api.kubelet(name, speaks);
            api.tick();
            let other = |node: &serde_json::Value| node["status"]["nodeInfo"]["machineID"] != machine_id;
            if speaks && api.object("nodes", "", name).is_some_and(|node| other(&node)) {
                api.edit("nodes", "", name, |node| node["status"]["nodeInfo"]["machineID"] = machine_id.into());
            }
        }
    }
}
