//! What kubeadm does to a machine, hazards included. Its `join` believes only the authority that it was given the hash of. Its `reset`
//! unmounts what is mounted below the kubelet's folder, whosever it is, warns instead of failing when the container runtime is down, and
//! leaves CNI and firewall alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Node, State, preset};
use crate::plan::apt;

const KUBELET: &str = "/var/lib/kubelet";
const KUBECONFIGS: [&str; 2] = ["/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf"];
const EMPTIED: [&str; 3] = ["/etc/kubernetes/manifests", KUBELET, "/etc/kubernetes/pki"];
const DELETED: [&str; 6] = [
    "admin.conf",
    "super-admin.conf",
    "kubelet.conf",
    "bootstrap-kubelet.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

/// Ends the transient services whose time has come, in the order that they end; tells whether there were any.
pub(super) fn settle(state: &mut State, now: Duration) -> bool {
    let now = now.as_millis() as u64;
    let mut due: Vec<(u64, String)> = state
        .transients
        .iter()
        .filter(|(_, run)| run.exit.is_none() && run.ends_ms <= now)
        .map(|(name, run)| (run.ends_ms, name.clone()))
        .collect();
    due.sort();
    let any = !due.is_empty();
    for (_, name) in due {
        let Some((transient, cut)) = state.transients.get(&name).map(|run| (run.transient.clone(), run.cut)) else {
            continue;
        };
        let exit = match transient.argv.first() {
            _ if cut => -1,
            Some(program) if program == apt::APT_GET => super::apt::run(state, &transient),
            _ => run(state, &transient.argv),
        };
        if let Some(run) = state.transients.get_mut(&name) {
            run.exit = Some(exit);
        }
    }
    any
}

fn run(state: &mut State, argv: &[String]) -> i32 {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words[..] {
        [program, "reset", ..] if program.ends_with("/kubeadm") => {
            state.witness("kubeadm reset ended");
            if state.kubeadm.is_none() { 203 } else { reset(state) }
        }
        [program, "join", "--config", file] if program.ends_with("/kubeadm") => {
            state.witness("kubeadm join ended");
            if state.kubeadm.is_none() { 203 } else { join(state, Path::new(file)) }
        }
        ["/bin/false" | "/usr/bin/false", ..] => 1,
        _ => 0,
    }
}

fn reset(state: &mut State) -> i32 {
    state.stop_unit("kubelet.service");
    if !unmount_below_kubelet(state) {
        return 1;
    }
    if state.runtime_up {
        state.containers.clear();
        state.sandboxes.clear();
        state.static_pods.clear();
        state.processes.retain(|process| !process.exe.as_deref().unwrap_or_default().starts_with("/container/"));
    }
    for folder in EMPTIED {
        for path in state.below(Path::new(folder)) {
            state.files.remove(&path);
        }
    }
    state.asked_with.clear();
    for file in DELETED {
        state.files.remove(&Path::new("/etc/kubernetes").join(file));
    }
    0
}

/// Refuses what kubeadm's preflight and discovery refuse, the same token and hash included.
fn join(state: &mut State, file: &Path) -> i32 {
    let Some(Node::File(text)) = state.files.get(file) else { return 1 };
    let asked: Value = serde_json::from_str(text).unwrap_or_default();
    let of = |key: &str| &asked["discovery"]["bootstrapToken"][key];
    let word = |key: &str| of(key).as_str().unwrap_or_default().to_owned();
    if KUBECONFIGS.iter().any(|path| state.files.contains_key(Path::new(path))) {
        return 2;
    }
    let server = word("apiServerEndpoint");
    let lets_in = state.clusters.get(&server).is_some_and(|cluster| {
        let pins = of("caCertHashes").as_array().into_iter().flatten();
        cluster.tokens.contains(&word("token")) && pins.into_iter().any(|pin| *pin == *cluster.ca_cert_hash)
    });
    if !lets_in || !state.start_unit("kubelet.service") {
        return 1;
    }
    word("token").split('.').next().unwrap_or_default().clone_into(&mut state.asked_with);
    if std::mem::take(&mut state.join_fails) {
        state.write("/etc/kubernetes/bootstrap-kubelet.conf", "");
        state.write("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n");
        return 1;
    }
    preset::join(state, server.split(':').next().unwrap_or_default());
    0
}

fn unmount_below_kubelet(state: &mut State) -> bool {
    let below: Vec<PathBuf> = state
        .mounts
        .iter()
        .map(|mount| mount.mount_point.clone())
        .filter(|point| point.starts_with(KUBELET) && point != Path::new(KUBELET))
        .collect();
    for point in below.into_iter().rev() {
        if state.busy.contains(&point) {
            return false;
        }
        state.mounts.retain(|mount| mount.mount_point != point);
        // What was in a tmpfs is lost with it.
        for path in state.below(&point) {
            state.files.remove(&path);
        }
    }
    true
}
