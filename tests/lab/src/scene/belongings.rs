//! The user's own things on a host: laid down before a removal, described in full before and after it, and equal, or a test fails.
//! What belongs to Kubernetes is left out of the description by a judgement of its own, which knows nothing of Slipway's.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::evidence::{firewall, foreign_files};
use crate::host::Host;

const LAY: &str = include_str!("../../assets/belongings.sh");
const LAY_FLANNEL: &str = include_str!("../../assets/flannel-traces.sh");
const LINKS: [&str; 3] = ["br-user", "vxlan42", "cni-podman0"];
/// What of them lies in folders that Kubernetes' network uses too.
pub(crate) const FILES: [&str; 3] = [
    "/etc/cni/net.d/87-podman-bridge.conflist",
    "/var/lib/cni/networks/podman",
    "/var/lib/cni/results/podman-6d1f0c3b2a4e5968778695a4b3c2d1e0f00112233445566778899aabbccddeef-eth0",
];

/// The user's things on one host, as they were when they were laid down.
pub(crate) struct Belongings<'a> {
    host: &'a Host,
    before: Vec<String>,
}

impl<'a> Belongings<'a> {
    /// Lays them down and describes them.
    pub(crate) fn lay(host: &'a Host) -> Result<Self> {
        host.script("belongings", LAY, &[&host.address()]).context("lay down the user's things")?;
        let before = describe(host)?;
        for word in ["user_fw", "USER-IN", "br-user", "vxlan42", "cni-podman0", "podman-bridge", "CNI-DN-"] {
            ensure!(before.iter().any(|line| line.contains(word)), "the description lacks {word}: {before:#?}");
        }
        Ok(Self { host, before })
    }

    /// Checks that nothing of them has changed.
    pub(crate) fn are_as_they_were(&self) -> Result<()> {
        let after = describe(self.host)?;
        let lost: Vec<&String> = self.before.iter().filter(|line| !after.contains(line)).collect();
        let new: Vec<&String> = after.iter().filter(|line| !self.before.contains(line)).collect();
        ensure!(lost.is_empty() && new.is_empty(), "the user's things changed: lost {lost:#?}, new {new:#?}");
        ensure!(after == self.before, "the user's things are in another order: {after:#?}");
        Ok(())
    }

    /// Takes away what a power cut leaves of them.
    pub(crate) fn take_away_files(self) -> Result<()> {
        self.host.run_ok(&[&["rm", "-rf", "--"], &FILES[..]].concat()).map(|_| ())
    }
}

/// Leaves on a host what flannel would have.
pub(crate) fn lay_flannel_traces(host: &Host) -> Result<()> {
    host.script("flannel", LAY_FLANNEL, &[&host.address()]).context("lay flannel's traces").map(|_| ())
}

fn describe(host: &Host) -> Result<Vec<String>> {
    let mut lines = firewall::foreign(host)?;
    for name in LINKS {
        lines.push(link(host, name).with_context(|| format!("look at the link {name}"))?);
    }
    lines.extend(foreign_files(host, &FILES)?);
    Ok(lines)
}

/// What makes a link that very link; the rest of what `ip` says of it counts up by itself.
fn link(host: &Host, name: &str) -> Result<String> {
    let said: Value = serde_json::from_str(&host.run_ok(&["ip", "-j", "-d", "addr", "show", "dev", name])?)?;
    let link = said.get(0).context("one link")?;
    let addresses: Vec<&Value> = link["addr_info"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|of| of["family"] == "inet")
        .map(|of| &of["local"])
        .collect();
    let kind = &link["linkinfo"];
    Ok(format!(
        "link {name}: index {} mac {} mtu {} kind {} id {} port {} addresses {addresses:?}",
        link["ifindex"],
        link["address"],
        link["mtu"],
        kind["info_kind"],
        kind["info_data"]["id"],
        kind["info_data"]["port"]
    ))
}
