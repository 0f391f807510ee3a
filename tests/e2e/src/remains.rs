//! What a machine is like, without what no undoing brings back and nothing depends on: witnesses, numbers of processes, which of the masters
//! the address for all has gone to, the kept copies of manifests and what else the agent keeps, a later patch of etcd, how often files were
//! written, what it saw of clusters that it could join, modules of its kernel, and the files of an etcd that nobody starts any more.

use std::path::{Path, PathBuf};

use slipway_host::fake::{StartedKubelet, State};
use slipway_host::{Active, Enablement};

use crate::workload;

/// Where files lie for as long as a command runs.
pub(crate) const SCRATCH: &str = "/run/slipway";
const KEPT: &str = "/etc/kubernetes/slipway-kept";
/// Where the agent keeps outputs and what was before an upgrade.
const OWN: &str = "/var/lib/slipway";
/// A file that was moved aside and back is the same.
const SOURCES: &str = "/etc/apt";
const MANIFESTS: &str = "/etc/kubernetes/manifests";
const ETCD: &str = "/etc/kubernetes/manifests/etcd.yaml";
const UNIT: &str = "etcd.service";
const OF_UNIT: [&str; 2] = ["/etc/etcd/etcd.conf", "/etc/systemd/system/etcd.service"];
const DATA: &str = "/var/lib/etcd";

/// The state without these.
pub(crate) fn without(mut state: State) -> State {
    state.effects.clear();
    state.next_pid = 0;
    state.transients.clear();
    state.clusters.clear();
    // A module that was loaded stays, and its sysctls with it: somebody else may need it by then.
    state.kernel.modules.clear();
    state.kernel.sysctls.retain(|name, _| !name.starts_with("net.bridge."));
    state.asked_with.clear();
    (state.images, state.said) = Default::default();
    state.written.clear();
    state.started_kubelet = state
        .running_kubelet()
        .map(str::to_owned)
        .map(|version| StartedKubelet { version, configuration: String::new() });
    for process in &mut state.processes {
        (process.pid, process.start_time) = (0, 0);
    }
    state.processes.sort_by(|a, b| (&a.comm, &a.cmdline).cmp(&(&b.comm, &b.cmdline)));
    for link in &mut state.links {
        link.addresses.retain(|address| !is_virtual(address));
    }
    for container in &mut state.containers {
        container.id.clear();
    }
    state.containers.sort_by(|a, b| (&a.sandbox, &a.name).cmp(&(&b.sandbox, &b.name)));
    as_if_raised(&mut state);
    state.sandboxes.sort_by(|a, b| a.id.cmp(&b.id));
    state.files.retain(|path, _| !path.starts_with(KEPT) && !path.starts_with(OWN) && path != Path::new(SCRATCH));
    // What was read or fetched is no change of the machine, and a removed package leaves its configuration.
    state.packaging.lists.clear();
    state.packaging.fetched.clear();
    if !state.packaging.installed.contains_key("kubelet") {
        state.files.remove(Path::new("/etc/default/kubelet"));
    }
    if given_up(&state) {
        state.units.remove(UNIT);
        state.files.retain(|path, _| !OF_UNIT.iter().any(|of| path == Path::new(of)));
    }
    if state.below(Path::new(DATA)).is_empty() {
        state.files.remove(Path::new(DATA));
    }
    // A file that was written has a mode, and one that was always there has none: that is no difference between machines.
    let there: Vec<PathBuf> = state.files.keys().cloned().collect();
    let plain = |path: &Path, mode: u32| path.starts_with(MANIFESTS) || path.starts_with(SOURCES) || mode == 0o644;
    state.modes.retain(|path, mode| there.contains(path) && !plain(path, *mode));
    state
}

/// A member that was raised to a later patch of its minor stays so when the upgrade is undone: both are the machine of before.
fn as_if_raised(state: &mut State) {
    if let Some(text) = state.text(ETCD).map(str::to_owned) {
        state.write(ETCD, &text.replace("etcd:3.5.24-0", "etcd:3.5.26-0"));
    }
    state.static_pods.remove("etcd");
    state.pod_images.remove("etcd");
    for container in state.containers.iter_mut().filter(|container| container.name == "etcd") {
        container.image.clear();
    }
}

/// How often the machine has the address for all.
pub(crate) fn holds(state: &State) -> usize {
    state.links.iter().flat_map(|link| &link.addresses).filter(|address| is_virtual(address)).count()
}

fn is_virtual(address: &str) -> bool {
    address.split('/').next() == Some(workload::VIP)
}

/// Its etcd was stopped and taken out of the boot.
fn given_up(state: &State) -> bool {
    state.units.get(UNIT).is_some_and(|unit| unit.active != Active::Active && unit.enablement == Enablement::Disabled)
}

#[cfg(test)]
mod tests {
    use slipway_host::fake::preset;

    use super::*;

    #[test]
    fn an_etcd_that_runs_is_seen_and_one_that_was_given_up_is_not() {
        let bare = without(preset::machine("m1"));
        let mut state = preset::external_etcd("m1");
        assert!(without(state.clone()).units.contains_key(UNIT));
        state.stop_unit(UNIT);
        assert!(without(state.clone()).units.contains_key(UNIT), "it starts at the next boot");
        if let Some(unit) = state.units.get_mut(UNIT) {
            unit.enablement = Enablement::Disabled;
        }
        let left = without(state);
        assert_eq!(left.units.contains_key(UNIT), bare.units.contains_key(UNIT));
        assert!(!left.files.contains_key(Path::new(OF_UNIT[0])));
    }
}
