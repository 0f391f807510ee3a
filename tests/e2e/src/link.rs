//! The wire between a simulated host and the simulated cluster: a kubelet that does not run there says nothing here, and one that does run
//! registers its Node again. Without it a worker could leave the cluster while its kubelet is still up, and no test would notice.

use slipway_cluster::fake::FakeApiServer;
use slipway_host::Active;
use slipway_host::fake::State;

/// Whether the kubelet of this machine runs and has credentials to speak with.
pub fn kubelet_speaks(state: &State) -> bool {
    let runs = state.units.get("kubelet.service").is_some_and(|unit| unit.active == Active::Active);
    runs && state.files.contains_key(std::path::Path::new("/etc/kubernetes/kubelet.conf"))
}

/// Tells the cluster how the kubelet of `name` is.
pub fn tell(api: &FakeApiServer, name: &str, state: &State) {
    api.kubelet(name, kubelet_speaks(state));
    api.tick();
}
