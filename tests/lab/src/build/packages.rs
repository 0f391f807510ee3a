//! What is in the packages kubelet, kubeadm, kubectl and kubernetes-cni. Names, versions, dependencies, conffiles, unit and
//! drop-in are those of the public ones, since Slipway handles packages by exactly these. A program is a link to the shared
//! kubehost, so that a package is small and all hosts share one copy in memory.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::release::Release;

use super::SHARED;

const KUBELET_UNIT: &str = include_str!("../../assets/kubelet.service");
const KUBELET_POSTINST: &str = include_str!("../../assets/kubelet.postinst");
const KUBELET_PRERM: &str = include_str!("../../assets/kubelet.prerm");
const KUBEADM_DROP_IN: &str = include_str!("../../assets/10-kubeadm.conf");
const PLUGINS: &[&str] = &["bridge", "host-local", "loopback", "portmap"];

/// All that packages are made of besides this file, for the hash of a repository.
pub(super) const CONTENTS: &str = concat!(
    include_str!("../../assets/kubelet.service"),
    include_str!("../../assets/kubelet.postinst"),
    include_str!("../../assets/kubelet.prerm"),
    include_str!("../../assets/10-kubeadm.conf"),
);

/// One package before it is packed.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: String,
    depends: &'static str,
    pub(super) conffiles: &'static [&'static str],
    pub(super) scripts: Vec<(&'static str, &'static str)>,
    pub(super) files: Vec<Entry>,
}

/// Something in a package, with its place below `/`.
pub(super) struct Entry {
    path: String,
    content: Content,
}

enum Content {
    Text(&'static str),
    Link(String),
    Copy(PathBuf),
    Folder,
}

impl Package {
    fn new(name: &'static str, version: String, files: Vec<Entry>) -> Self {
        Self { name, version, depends: "", conffiles: &[], scripts: Vec::new(), files }
    }

    /// The package's control file.
    pub(super) fn control(&self) -> String {
        let Self { name, version, depends, .. } = self;
        let depends = if depends.is_empty() { String::new() } else { format!("Depends: {depends}\n") };
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: lab <lab@kube.test>\nSection: admin\n\
             Priority: optional\n{depends}Description: {name} of the lab\n"
        )
    }
}

impl Entry {
    fn new(path: impl Into<String>, content: Content) -> Self {
        Self { path: path.into(), content }
    }

    /// Puts it into the stage of its package.
    pub(super) fn place(&self, stage: &Path) -> Result<()> {
        let path = stage.join(self.path.trim_start_matches('/'));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match &self.content {
            Content::Text(text) => {
                fs::write(&path, text)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644))
            }
            Content::Link(target) => symlink(target, &path),
            Content::Copy(from) => fs::copy(from, &path).map(|_| ()),
            Content::Folder => fs::create_dir_all(&path),
        }
        .with_context(|| format!("place {}", self.path))
    }
}

/// The packages of a release, but for the one that all releases of a minor share.
pub(super) fn of(release: Release, kubehost: &Path) -> Vec<Package> {
    let version = release.package_version();
    let program = |name: &str| {
        let artifact = kubehost.file_name().unwrap_or_default().to_string_lossy();
        Entry::new(format!("/usr/bin/{name}"), Content::Link(format!("{SHARED}/{artifact}/kubehost")))
    };
    let mut kubelet = Package::new(
        "kubelet",
        version.clone(),
        vec![
            program("kubelet"),
            Entry::new("/usr/lib/systemd/system/kubelet.service", Content::Text(KUBELET_UNIT)),
            Entry::new("/etc/default/kubelet", Content::Text("KUBELET_EXTRA_ARGS=\n")),
            Entry::new("/etc/kubernetes/manifests/.kubelet-keep", Content::Text("")),
            Entry::new("/var/lib/kubelet/.kubelet-keep", Content::Text("")),
        ],
    );
    kubelet.depends = "conntrack, ethtool, iproute2, iptables, kubernetes-cni (>= 1.2.0), mount, socat, util-linux";
    kubelet.conffiles = &["/etc/default/kubelet"];
    kubelet.scripts = vec![("postinst", KUBELET_POSTINST), ("prerm", KUBELET_PRERM)];
    let drop_in = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf";
    let kubeadm = Package::new(
        "kubeadm",
        version.clone(),
        vec![program("kubeadm"), Entry::new(drop_in, Content::Text(KUBEADM_DROP_IN))],
    );
    let kubectl = Package::new("kubectl", version, vec![program("kubectl")]);
    vec![kubelet, kubeadm, kubectl]
}

/// The plugins of the network.
pub(super) fn network(release: Release, root: &Path) -> Package {
    let mut files = vec![Entry::new("/etc/cni/net.d", Content::Folder)];
    files.extend(PLUGINS.iter().map(|plugin| {
        Entry::new(format!("/opt/cni/bin/{plugin}"), Content::Copy(root.join("usr/lib/cni").join(plugin)))
    }));
    Package::new("kubernetes-cni", release.cni_package_version().to_owned(), files)
}
