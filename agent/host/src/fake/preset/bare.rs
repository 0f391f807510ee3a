//! A machine with a container runtime and nothing of Kubernetes, and the repositories that every machine can reach.

use super::super::{Mirror, Packaging, State};
use crate::Offer;
use crate::packages::CNI_PACKAGE;

/// The key that signs the simulated repositories.
pub const REPOSITORY_KEY: &str =
    "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nc2ltdWxhdGVk\n-----END PGP PUBLIC KEY BLOCK-----\n";
const KEYRING: &str = "/etc/apt/keyrings/kubernetes-apt-keyring.gpg";
/// Minors with the newest version of the network plugins' package and patch releases, newest first.
const RELEASES: [(&str, &str, &[&str]); 4] = [
    ("1.32", "1.6.0", &["1.32.9", "1.32.8"]),
    ("1.33", "1.6.0", &["1.33.13", "1.33.12"]),
    ("1.34", "1.7.1", &["1.34.4", "1.34.3"]),
    ("1.35", "1.8.0", &["1.35.0"]),
];

/// A machine that nobody has prepared but for the container runtime and the public key of the repositories.
pub fn bare(name: &str) -> State {
    let mut state = super::machine(name);
    state.packaging.installed.clear();
    state.packaging.lists.clear();
    (state.kubeadm, state.kubelet) = (None, None);
    state.units.remove("kubelet.service");
    let of_kubernetes =
        ["/etc/kubernetes", "/etc/cni", "/opt/cni", "/var/lib/kubelet", "/etc/apt/sources.list.d/kubernetes.list"];
    let gone = |path: &std::path::Path| of_kubernetes.iter().any(|folder| path.starts_with(folder));
    state.files.retain(|path, _| !gone(path));
    state.owned.retain(|path| !gone(path));
    state.mounts.retain(|mount| !gone(&mount.mount_point));
    state.api_servers.insert("https://10.70.0.10:6443".into(), super::super::Server::Ready);
    state.directory("/etc/systemd/system");
    state.directory("/etc/default");
    state
}

/// The packages of 1.33.13 and the repository that they came from, as the public instructions have it.
pub(super) fn packages(state: &mut State) {
    state.packaging = Packaging { mirrors: mirrors(), ..Packaging::default() };
    state.packaging.install("1.33.13", "1.6.0", true);
    state.directory("/etc/apt/sources.list.d");
    state.write(KEYRING, REPOSITORY_KEY);
    let url = url_of("1.33");
    state.write("/etc/apt/sources.list.d/kubernetes.list", &format!("deb [signed-by={KEYRING}] {url}/ /\n"));
    let offer = state.packaging.mirrors.get(&url).map(|mirror| mirror.offer.clone()).unwrap_or_default();
    state.packaging.lists.insert(url, offer);
}

fn url_of(minor: &str) -> String {
    format!("https://pkgs.k8s.io/core:/stable:/v{minor}/deb")
}

fn mirrors() -> std::collections::BTreeMap<String, Mirror> {
    let one = |(minor, cni, releases): (&str, &str, &[&str])| {
        let mut offer = Offer::new();
        for name in ["kubelet", "kubeadm", "kubectl"] {
            offer.insert(name.into(), releases.iter().map(|release| format!("{release}-1.1")).collect());
        }
        offer.insert(CNI_PACKAGE.into(), vec![format!("{cni}-1.1")]);
        (url_of(minor), Mirror { offer, key: REPOSITORY_KEY.into(), ..Mirror::default() })
    };
    RELEASES.into_iter().map(one).collect()
}
