//! A host that has been a node and becomes bare again by hand, so that the next test finds it as the lab made it.

use anyhow::{Context as _, Result};

use crate::host::Host;
use crate::lab::Lab;
use crate::shape::Role;

/// Puts away what a join installs and sets, down to containerd's own configuration as its package has it.
const BARE: &str = r#"
apt-mark unhold kubelet kubeadm kubectl kubernetes-cni > /dev/null 2>&1 || true
dpkg --configure -a
known=$(dpkg-query --show --showformat '${Package} ' kubelet kubeadm kubectl kubernetes-cni 2> /dev/null || true)
[ -z "$known" ] || apt-get -qq purge --yes --allow-change-held-packages $known > /dev/null
rm -f /etc/apt/sources.list.d/*kubernetes* /etc/apt/keyrings/*kubernetes* /etc/apt/preferences.d/*kube* /etc/apt/preferences.d/*slipway*
rm -f /etc/modules-load.d/*slipway* /etc/modules-load.d/*k8s* /etc/sysctl.d/*slipway* /etc/sysctl.d/*k8s*
rm -f /etc/containerd/config.toml.before-slipway
rm -rf /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d /etc/cni /opt/cni
rm -f /var/lib/apt/lists/*_Packages /var/lib/apt/lists/*Release
apt-get clean
systemctl daemon-reload
"#;
const CONTAINERD: &str = include_str!("../../assets/containerd-bare.toml");
const CONTAINERD_FILE: &str = "/etc/containerd/config.toml";

/// Makes a host bare that has left the cluster.
pub(crate) fn make_bare(host: &Host) -> Result<()> {
    host.script("bare", BARE, &[]).with_context(|| format!("make {} bare", host.name()))?;
    if host.read_file(CONTAINERD_FILE)? != CONTAINERD {
        host.write_file(CONTAINERD_FILE, "0644", CONTAINERD)?;
        host.run_ok(&["systemctl", "restart", "containerd"])?;
    }
    Ok(())
}

/// Words that join a host as what it is to be.
fn join_words<'w>(name: &'w str, role: Role, version: &'w str) -> [&'w str; 7] {
    let role = if role == Role::Master { "control-plane" } else { "worker" };
    ["node", "join", name, "--role", role, "--kubernetes", version]
}

impl Lab {
    /// Joins a host by one command and waits until the run is over.
    pub(crate) fn join(&self, name: &str, role: Role) -> Result<()> {
        let words = join_words(name, role, self.shape().release.version());
        let run = self.start(&[&words[..], &["--yes"]].concat())?;
        run.reaches("completed", std::time::Duration::from_mins(10)).map(|_| ())
    }
}
