//! What `kubeadm upgrade` does to a machine: on a master it changes the manifests one after the other, then everywhere it writes what the
//! kubelet is configured with. It can stop, hang or go back on its way, and its exit code says little of that.

use super::kubelet::minor;
use super::{State, UpgradeFault};
use crate::edit;
use crate::kubelet::CONFIGURATION;

const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// In kubeadm's order.
const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const FAILED: i32 = 1;

/// What a release comes with.
struct Comes {
    etcd: &'static str,
    coredns: &'static str,
    pause: &'static str,
}

fn comes_with(release: &str) -> Comes {
    match minor(release) {
        ..=33 => Comes { etcd: "3.5.24-0", coredns: "v1.12.0", pause: "3.10" },
        34 => Comes { etcd: "3.6.5-0", coredns: "v1.12.1", pause: "3.10.1" },
        _ => Comes { etcd: "3.6.6-0", coredns: "v1.13.1", pause: "3.10.1" },
    }
}

/// What `kubeadm config images list` prints.
pub(super) fn images(release: &str, repository: Option<&str>) -> Vec<String> {
    let comes = comes_with(release);
    let coredns = if repository.is_some() { "coredns" } else { "coredns/coredns" };
    let names =
        ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"].map(|name| (name, release));
    let more = [(coredns, comes.coredns), ("pause", comes.pause), ("etcd", comes.etcd)];
    let from = repository.unwrap_or("registry.k8s.io");
    names.into_iter().chain(more).map(|(name, tag)| format!("{from}/{name}:{tag}")).collect()
}

/// Whether that command would never end by itself.
pub(super) fn hangs(state: &State, argv: &[String]) -> bool {
    matches!(state.upgrade_fault, Some(UpgradeFault::HangsAfter(_)))
        && argv.get(1).is_some_and(|word| word == "upgrade")
}

/// Runs the command and gives its exit code and its last words. `cut`: its time is over before it ends.
pub(super) fn run(state: &mut State, words: &[&str], cut: bool) -> (i32, String) {
    let said = |exit: i32, words: &str| (exit, format!("error: {words}\n"));
    let Some(kubeadm) = state.kubeadm.clone() else { return said(203, "no such file") };
    let release = match words {
        ["apply", release, ..] => (*release).to_owned(),
        _ => kubeadm.clone(),
    };
    if release != kubeadm {
        return said(FAILED, "the version to upgrade to is not the kubeadm version");
    }
    if state.text("/etc/kubernetes/kubelet.conf").is_none() {
        return said(FAILED, "could not find /etc/kubernetes/kubelet.conf");
    }
    let keep_etcd = words.contains(&"--etcd-upgrade=false");
    let fault = state.upgrade_fault.take();
    let most = match fault {
        Some(UpgradeFault::NoEffect) => return (0, String::new()),
        Some(UpgradeFault::FailsAfter(most) | UpgradeFault::HangsAfter(most) | UpgradeFault::RollsBackAfter(most)) => {
            most
        }
        _ if cut => 0,
        _ => usize::MAX,
    };
    let before = changed(state, &release, keep_etcd, most);
    match fault {
        Some(UpgradeFault::RollsBackAfter(_)) => {
            for (path, text) in before {
                state.write(&path, &text);
            }
            said(FAILED, "couldn't upgrade control plane: the old manifests were put back")
        }
        Some(UpgradeFault::FailsAfter(_)) => said(FAILED, "timed out waiting for the condition"),
        Some(UpgradeFault::HangsAfter(_)) => (-1, "[upgrade/staticpods] This can take up to 5m0s\n".to_owned()),
        _ if cut => (-1, String::new()),
        _ => {
            configure(state, &release);
            if fault == Some(UpgradeFault::FailsAfterwards) {
                return said(FAILED, "error execution phase addon/coredns");
            }
            (0, "[upgrade/successful] SUCCESS!\n".to_owned())
        }
    }
}

/// Gives the manifests that are there the images of a release; an empty one: they stay as they are.
pub(super) fn of_release(state: &mut State, release: &str) {
    if !release.is_empty() {
        changed(state, release, false, usize::MAX);
    }
}

/// Changes up to `most` manifests, and gives what they were before. A machine without manifests has nothing to change.
fn changed(state: &mut State, release: &str, keep_etcd: bool, most: usize) -> Vec<(String, String)> {
    let mut before = Vec::new();
    for component in COMPONENTS {
        let path = format!("{MANIFESTS}/{component}.yaml");
        let Some(text) = state.text(&path).map(str::to_owned) else { continue };
        let Ok(image) = edit::image(&text, component) else { continue };
        let Some((name, tag)) = image.rsplit_once(':') else { continue };
        let new = match component {
            "etcd" if keep_etcd => continue,
            "etcd" => later(tag, comes_with(release).etcd),
            _ => release,
        };
        if before.len() >= most || new == tag {
            continue;
        }
        if let Ok(changed) = edit::with_image(&text, component, &format!("{name}:{new}")) {
            state.write(&path, &changed);
            before.push((path, text));
        }
    }
    before
}

/// etcd never goes back.
fn later<'t>(one: &'t str, other: &'t str) -> &'t str {
    let numbers = |tag: &str| -> Vec<u32> {
        tag.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
    };
    if numbers(one) > numbers(other) { one } else { other }
}

/// Writes what the kubelet of that release is configured with.
fn configure(state: &mut State, release: &str) {
    let [config, flags] = CONFIGURATION;
    let field = "maxParallelImagePulls: ";
    let text = state.text(config).unwrap_or_default().to_owned();
    let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with(field)).collect();
    state.write(config, &format!("{kept}{field}{}\n", minor(release)));
    if let Some(text) = state.text(flags).map(str::to_owned).filter(|_| minor(release) >= 35) {
        let words = text.split(' ').filter(|word| !word.contains("--pod-infra-container-image"));
        state.write(flags, &words.collect::<Vec<_>>().join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::preset;

    fn upgraded(mut state: State, words: &[&str], fault: Option<UpgradeFault>) -> (State, i32) {
        state.kubeadm = Some("v1.34.4".into());
        state.upgrade_fault = fault;
        let (exit, _) = run(&mut state, words, false);
        (state, exit)
    }

    fn images_of(state: &State) -> Vec<String> {
        let text = |component: &&str| state.text(&format!("{MANIFESTS}/{component}.yaml")).map(str::to_owned);
        COMPONENTS.iter().filter_map(|name| edit::image(&text(name)?, name).ok()).collect()
    }

    #[test]
    fn a_master_gets_new_manifests_and_a_kubeadm_of_another_version_refuses() {
        let (state, exit) = upgraded(preset::master("m1"), &["apply", "v1.34.4", "--yes"], None);
        assert_eq!(exit, 0);
        assert_eq!(images_of(&state)[..2], ["kube.test/etcd:3.6.5-0", "kube.test/kube-apiserver:v1.34.4"]);
        let (state, exit) = upgraded(preset::master("m1"), &["apply", "v1.35.1", "--yes"], None);
        assert_eq!((exit, state), (1, State { kubeadm: Some("v1.34.4".into()), ..preset::master("m1") }));
    }

    #[test]
    fn each_fault_leaves_what_it_says() {
        let apply = ["apply", "v1.34.4", "--yes", "--etcd-upgrade=false"];
        let new = |fault| {
            let (state, exit) = upgraded(preset::master("m1"), &apply, Some(fault));
            (images_of(&state).iter().filter(|image| image.ends_with("v1.34.4")).count(), exit)
        };
        assert_eq!(new(UpgradeFault::NoEffect), (0, 0));
        assert_eq!(new(UpgradeFault::FailsAfterwards), (3, 1));
        assert_eq!(new(UpgradeFault::FailsAfter(2)), (2, 1));
        assert_eq!(new(UpgradeFault::HangsAfter(1)), (1, -1));
        assert_eq!(new(UpgradeFault::RollsBackAfter(2)), (0, 1));
    }
}
