//! The part of the fake kubelet that a master lives by: what has a manifest runs, what has none any more ends, and a manifest that was changed
//! restarts its pod. Containers go on while the kubelet is down, as in life.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use super::{Node, State};
use crate::{Active, Container, Process, Sandbox};

const MANIFESTS: &str = "/etc/kubernetes/manifests";
const PROGRAMS: &str = "/container/";
const COMM: usize = 15;

/// What the manifests want: name and text.
fn wanted(state: &State) -> impl Iterator<Item = (&str, &str)> {
    let below =
        state.files.range(Path::new(MANIFESTS).to_path_buf()..).take_while(|(path, _)| path.starts_with(MANIFESTS));
    below.filter_map(|(path, node)| match node {
        Node::File(text) if path.extension().is_some_and(|end| end == "yaml") => {
            Some((path.file_stem()?.to_str()?, text.as_str()))
        }
        _ => None,
    })
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The words of the one container's command. Kubeadm writes one a line.
fn command(text: &str) -> Vec<String> {
    let from = text.lines().skip_while(|line| !line.trim_start().starts_with("- command:")).skip(1);
    from.map_while(|line| line.trim_start().strip_prefix("- ")).map(str::to_owned).collect()
}

/// Brings the static pods of a machine with a running kubelet in step with its manifests.
pub(super) fn settle(state: &mut State) {
    let kubelet = state.units.get("kubelet.service").is_some_and(|unit| unit.active == Active::Active);
    if !kubelet || !state.runtime_up {
        return;
    }
    let gone = state.static_pods.keys().filter(|name| !wanted(state).any(|(known, _)| known == *name));
    for name in gone.cloned().collect::<Vec<_>>() {
        end(state, &name);
        state.static_pods.remove(&name);
    }
    let new = wanted(state).filter(|(name, text)| !is_in_step(state, name, hash(text)));
    let new: Vec<(String, String)> = new.map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    for (name, text) in new {
        end(state, &name);
        start(state, &name, command(&text), image(&text));
        state.static_pods.insert(name, hash(&text));
    }
}

fn is_in_step(state: &State, name: &str, manifest: u64) -> bool {
    state.static_pods.get(name) == Some(&manifest) && state.processes.iter().any(|process| runs(process, name))
}

fn runs(process: &Process, name: &str) -> bool {
    process.exe.as_deref().and_then(|exe| exe.strip_prefix(PROGRAMS)) == Some(name)
}

fn sandbox_of(state: &State, name: &str) -> String {
    format!("{name}-{}-sandbox", state.identity.hostname)
}

fn end(state: &mut State, name: &str) {
    let sandbox = sandbox_of(state, name);
    state.processes.retain(|process| !runs(process, name));
    state.pod_images.remove(name);
    state.containers.retain(|container| container.sandbox != sandbox);
    state.sandboxes.retain(|known| known.id != sandbox);
}

/// The image of the one container; kubeadm writes it on a line of its own.
fn image(text: &str) -> String {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("image: "));
    line.unwrap_or_default().trim().to_owned()
}

/// Whether the container comes up: its image is there or can be pulled, and its program lives.
fn comes_up(state: &mut State, image: &str) -> bool {
    let there = state.images.contains(image) || !state.unpullable.contains_key(image);
    if there {
        state.images.insert(image.to_owned());
    }
    there && !state.sick_images.contains(image)
}

fn start(state: &mut State, name: &str, argv: Vec<String>, image: String) {
    if !comes_up(state, &image) {
        return;
    }
    let comm: String = name.chars().take(COMM).collect();
    let pid = state.spawn(&comm, &format!("{PROGRAMS}{name}"));
    if let Some(process) = state.processes.iter_mut().find(|process| process.pid == pid) {
        process.cmdline = argv;
    }
    let (id, pod) = (sandbox_of(state, name), format!("{name}-{}", state.identity.hostname));
    state.sandboxes.push(Sandbox { id: id.clone(), namespace: "kube-system".into(), name: pod, ready: true });
    let container = Container {
        id: format!("c{pid}"),
        sandbox: id,
        name: name.to_owned(),
        image: super::programs::image_id(&image),
        running: true,
    };
    state.containers.push(container);
    state.pod_images.insert(name.to_owned(), image);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::preset;

    fn runs(state: &State, comm: &str) -> Option<u32> {
        state.processes.iter().find(|process| process.comm == comm).map(|process| process.pid)
    }

    #[test]
    fn a_masters_pods_run_and_a_changed_manifest_restarts_its_own() {
        let mut state = preset::master("m1");
        settle(&mut state);
        let (etcd, api) = (runs(&state, "etcd").unwrap(), runs(&state, "kube-apiserver").unwrap());
        let path = "/etc/kubernetes/manifests/kube-apiserver.yaml";
        let Some(Node::File(text)) = state.files.get(Path::new(path)).cloned() else { panic!("no manifest") };
        state.write(path, &text.replace("127.0.0.1:2379", "10.70.0.12:2379"));
        settle(&mut state);
        assert_eq!(runs(&state, "etcd"), Some(etcd));
        assert_ne!(runs(&state, "kube-apiserver"), Some(api));
        assert!(
            state.processes.iter().any(|process| process.cmdline.iter().any(|word| word.contains("10.70.0.12:2379")))
        );
    }

    #[test]
    fn a_pod_without_a_manifest_ends_only_while_the_kubelet_runs() {
        let mut state = preset::master("m1");
        settle(&mut state);
        state.stop_unit("kubelet.service");
        state.files.remove(Path::new("/etc/kubernetes/manifests/etcd.yaml"));
        settle(&mut state);
        assert!(runs(&state, "etcd").is_some(), "the container ended with the kubelet");
        state.start_unit("kubelet.service");
        settle(&mut state);
        assert_eq!(runs(&state, "etcd"), None);
        assert!(!state.containers.iter().any(|container| container.name == "etcd"));
    }
}
