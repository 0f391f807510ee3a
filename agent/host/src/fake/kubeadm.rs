//! What kubeadm does to a machine, hazards included. Its `join` believes only the authority that it was given the hash of, and makes a master
//! only of one that has the key of the cluster's certificates; where it fails on the way, its member of etcd stays. Its `reset` unmounts what is mounted below the kubelet's folder, whosever it is, warns instead of failing when the container runtime is down, and
//! leaves CNI and firewall alone.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{JoinStop, Node, SharedEtcd, State, etcd, preset, static_pods};
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
pub(super) fn settle(state: &mut State, now: Duration, etcd: Option<&SharedEtcd>) -> bool {
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
        let exit = match &transient.argv[..] {
            [program, verb, words @ ..] if program.ends_with("/kubeadm") && verb == "upgrade" => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let (exit, said) = super::upgrade::run(state, &words, cut);
                state.write(&transient.output.display().to_string(), &said);
                state.witness("kubeadm upgrade ended");
                exit
            }
            _ if cut => -1,
            [program, ..] if program == apt::APT_GET => super::apt::run(state, &transient),
            argv => run(state, argv, etcd),
        };
        if let Some(run) = state.transients.get_mut(&name) {
            run.exit = Some(exit);
        }
    }
    any
}

fn run(state: &mut State, argv: &[String], etcd: Option<&SharedEtcd>) -> i32 {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    match words[..] {
        [program, "reset", ..] if program.ends_with("/kubeadm") => {
            state.witness("kubeadm reset ended");
            if state.kubeadm.is_none() { 203 } else { reset(state) }
        }
        [program, "join", "--config", file] if program.ends_with("/kubeadm") => {
            state.witness("kubeadm join ended");
            if state.kubeadm.is_none() { 203 } else { join(state, Path::new(file), etcd) }
        }
        [
            program,
            "init",
            "phase",
            "upload-certs",
            "--upload-certs",
            "--skip-certificate-key-print",
            "--config",
            file,
        ] if program.ends_with("/kubeadm") => upload(state, Path::new(file)),
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
        state.pod_images.clear();
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

fn documents(state: &State, file: &Path) -> Vec<Value> {
    let Some(Node::File(text)) = state.files.get(file) else { return Vec::new() };
    text.split("\n---\n").map(|one| serde_json::from_str(one).unwrap_or_default()).collect()
}

/// The fake keeps no key: a hash tells one from another.
fn hash_of(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// It asks the internet for a version where it is given none, and nobody answers here.
fn upload(state: &mut State, file: &Path) -> i32 {
    let documents = documents(state, file);
    let of = |key: &str| documents.iter().find_map(|document| document[key].as_str()).unwrap_or_default();
    let (key, version) = (of("certificateKey"), of("kubernetesVersion"));
    if key.len() != 64 || version.is_empty() || !state.files.contains_key(Path::new("/etc/kubernetes/admin.conf")) {
        return 1;
    }
    state.uploaded = Some(hash_of(key));
    0
}

/// Refuses what kubeadm's preflight and discovery refuse, the same token and hash included.
fn join(state: &mut State, file: &Path, etcd: Option<&SharedEtcd>) -> i32 {
    let Some(asked) = documents(state, file).into_iter().next() else { return 1 };
    let of = |key: &str| &asked["discovery"]["bootstrapToken"][key];
    let word = |key: &str| of(key).as_str().unwrap_or_default().to_owned();
    if KUBECONFIGS.iter().any(|path| state.files.contains_key(Path::new(path))) {
        return 2;
    }
    let server = word("apiServerEndpoint");
    let key = asked["controlPlane"]["certificateKey"].as_str();
    let lets_in = state.clusters.get(&server).is_some_and(|cluster| {
        let pins = of("caCertHashes").as_array().into_iter().flatten();
        let opens = key.is_none_or(|key| cluster.certificates.as_deref() == Some(&hash_of(key)));
        opens && cluster.tokens.contains(&word("token")) && pins.into_iter().any(|pin| *pin == *cluster.ca_cert_hash)
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
    match asked["controlPlane"]["localAPIEndpoint"]["advertiseAddress"].as_str() {
        None => 0,
        Some(address) => {
            let release = state.clusters.get(&server).map(|cluster| cluster.control_plane.clone()).unwrap_or_default();
            etcd.map_or(1, |etcd| i32::from(!become_master(state, (address, &release), etcd)))
        }
    }
}

/// The member comes as a learner and is let vote before kubeadm says that all is well.
fn become_master(state: &mut State, (address, release): (&str, &str), etcd: &SharedEtcd) -> bool {
    let (peer_url, stops) = (format!("https://{address}:2380"), state.join_stops.take());
    preset::components(state);
    super::upgrade::of_release(state, release);
    static_pods::settle(state);
    let added = etcd.with(|cluster| cluster.admit(&peer_url)).unwrap_or_default();
    if !added || stops == Some(JoinStop::Added) {
        return false;
    }
    preset::etcd_manifest(state);
    super::upgrade::of_release(state, release);
    static_pods::settle(state);
    if etcd::sit(state, etcd, false).is_err() || stops == Some(JoinStop::Learner) {
        return false;
    }
    let votes = etcd.with(|cluster| cluster.let_vote_at(&peer_url)).unwrap_or_default();
    if stops == Some(JoinStop::Promoted) {
        state.files.remove(Path::new("/etc/kubernetes/manifests/kube-scheduler.yaml"));
        return false;
    }
    votes
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
