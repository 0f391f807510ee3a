//! Makes of a booted host one that kubeadm can make a node of: images, packages of an exact version, and the witness that counts
//! what kubeadm is called for.

use anyhow::Result;

use crate::build::{self, Built, REPOSITORIES, SHARED};
use crate::cluster::lay_audit_policy;
use crate::host::Host;
use crate::release::Release;

const KEYRING: &str = "/etc/apt/keyrings/kubernetes-apt-keyring.gpg";
const LIST: &str = "/etc/apt/sources.list.d/kubernetes.list";
const WITNESS: &str = "/usr/local/sbin/lab-witness";
/// After each turn of dpkg. A changed package is a changed file in kubeadm's place, as it would be without a witness: whoever keeps what kubeadm
/// once said of itself looks at that.
const FOLLOW: &str = r#"known=/var/lib/lab-kubeadm
if [ -L /usr/bin/kubeadm.real ]; then
  now=$(readlink /usr/bin/kubeadm.real)
  [ "$now" = "$(cat "$known" 2> /dev/null)" ] && [ -e /usr/bin/kubeadm ] && exit 0
  install --mode 0755 "$witness" /usr/bin/kubeadm.part
  mv /usr/bin/kubeadm.part /usr/bin/kubeadm
  echo "$now" > "$known"
else
  rm -f /usr/bin/kubeadm "$known"
fi
"#;
const PACKAGES: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];

/// What any host has that may become a node: images, for there is no registry, and the witness's place.
pub(crate) fn equip(host: &Host, built: &Built) -> Result<()> {
    import(host, &built.images)?;
    lay_audit_policy(host)?;
    divert(host, &built.witness)?;
    link_etcd(host, built)
}

/// Brings all images of an archive, as hosts see the file, to a host.
pub(crate) fn import(host: &Host, images: &str) -> Result<()> {
    host.run_ok(&["ctr", "--namespace", "k8s.io", "images", "import", images]).map(|_| ())
}

/// Prepares it as an operator would before the first join, package holds included.
pub(crate) fn prepare(host: &Host, release: Release, built: &Built) -> Result<()> {
    equip(host, built)?;
    host.copy_in(&built.shared.join(build::KEYRING), KEYRING, "0644")?;
    let repository = format!("{SHARED}/{REPOSITORIES}/{}/deb/", release.repository());
    host.write_file(LIST, "0644", format!("deb [signed-by={KEYRING}] file:{repository} /\n"))?;
    host.run_ok(&["apt-get", "-qq", "update"])?;
    let exact = PACKAGES.map(|name| format!("{name}={}", release.package_version()));
    let mut install = vec!["apt-get", "-qq", "install", "--yes"];
    install.extend(exact.iter().map(String::as_str));
    host.run_ok(&install)?;
    host.run_ok(&[&["apt-mark", "hold"][..], &PACKAGES[..]].concat())?;
    Ok(())
}

/// No package has them: etcd's programs lie where an operator puts them by hand.
fn link_etcd(host: &Host, built: &Built) -> Result<()> {
    for name in ["etcd", "etcdctl", "etcdutl"] {
        host.run_ok(&["ln", "-sfT", &built.kubehost, &format!("/usr/local/bin/{name}")])?;
    }
    Ok(())
}

/// The package goes on to own `/usr/bin/kubeadm`, but its file lands beside it, over every upgrade. The witness comes and goes with it: a host
/// without the package has no kubeadm.
fn divert(host: &Host, witness: &str) -> Result<()> {
    let real = "/usr/bin/kubeadm.real";
    host.run_ok(&["dpkg-divert", "--quiet", "--local", "--no-rename", "--divert", real, "--add", "/usr/bin/kubeadm"])?;
    host.write_file(WITNESS, "0755", format!("#!/bin/sh -e\nwitness={witness}\n{FOLLOW}"))?;
    host.write_file("/etc/apt/apt.conf.d/90lab-witness", "0644", format!("DPkg::Post-Invoke {{ \"{WITNESS}\"; }};\n"))
}
