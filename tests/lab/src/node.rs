//! Makes of a booted host one that kubeadm can make a node of: images, packages of an exact version, and the witness that counts
//! what kubeadm is called for.

use anyhow::Result;

use crate::build::{self, Built, REPOSITORIES, SHARED};
use crate::host::Host;
use crate::release::Release;

const KEYRING: &str = "/etc/apt/keyrings/kubernetes-apt-keyring.gpg";
const LIST: &str = "/etc/apt/sources.list.d/kubernetes.list";
const PACKAGES: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];

/// Prepares it as an operator would before the first join, package holds included.
pub(crate) fn prepare(host: &Host, release: Release, built: &Built) -> Result<()> {
    host.run_ok(&["ctr", "--namespace", "k8s.io", "images", "import", &built.images])?;
    host.copy_in(&built.shared.join(build::KEYRING), KEYRING, "0644")?;
    let repository = format!("{SHARED}/{REPOSITORIES}/{}/deb/", release.repository());
    host.write_file(LIST, "0644", format!("deb [signed-by={KEYRING}] file:{repository} /\n"))?;
    divert(host, &built.witness)?;
    host.run_ok(&["apt-get", "-qq", "update"])?;
    let exact = PACKAGES.map(|name| format!("{name}={}", release.package_version()));
    let mut install = vec!["apt-get", "-qq", "install", "--yes"];
    install.extend(exact.iter().map(String::as_str));
    host.run_ok(&install)?;
    host.run_ok(&[&["apt-mark", "hold"][..], &PACKAGES[..]].concat())?;
    link_etcd(host, built)
}

/// No package has them: etcd's programs lie where an operator puts them by hand.
fn link_etcd(host: &Host, built: &Built) -> Result<()> {
    for name in ["etcd", "etcdctl", "etcdutl"] {
        host.run_ok(&["ln", "-sfT", &built.kubehost, &format!("/usr/local/bin/{name}")])?;
    }
    Ok(())
}

/// The package goes on to own `/usr/bin/kubeadm`, but its file lands beside it, over every upgrade.
fn divert(host: &Host, witness: &str) -> Result<()> {
    let real = "/usr/bin/kubeadm.real";
    host.run_ok(&["dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", real, "--add", "/usr/bin/kubeadm"])?;
    host.run_ok(&["install", "--mode", "0755", witness, "/usr/bin/kubeadm"])?;
    Ok(())
}
