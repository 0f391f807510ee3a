//! What an upgrade finds: images and packages of the next release within reach, and on the nodes what its users have put there, which has to
//! outlast it.

use anyhow::{Context as _, Result, ensure};

use crate::build;
use crate::each::each;
use crate::host::Host;
use crate::lab::Lab;
use crate::node;
use crate::release::{LATER_ETCD, Release};

/// Of a user, on a worker.
pub(crate) const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/50-of-a-user.conf";
const DROP_IN_TEXT: &str = "[Service]\nEnvironment=OF_A_USER=kept\n";

/// The image that members of etcd are raised to on their way.
pub(crate) fn later_etcd_image() -> String {
    format!("kube.test/etcd:{LATER_ETCD}")
}

/// Brings all images of a release to all nodes, and the later etcd to masters: there is no registry that they could be pulled from.
pub(crate) fn bring_images(lab: &Lab, to: Release) -> Result<()> {
    let images = build::ensure(to)?.images;
    each(&lab.nodes(), |host| {
        node::import(host, &images)?;
        node::import(host, &lab.built().extra_images)
    })
}

/// Takes one of them away from a host again, where nothing runs of it. Returns its name.
pub(crate) fn take_image(host: &Host, part: &str, to: Release) -> Result<String> {
    let name = format!("kube.test/{part}:v{}", to.version());
    host.run_ok(&["ctr", "--namespace", "k8s.io", "images", "remove", &name])?;
    Ok(name)
}

/// A user's drop-in for the kubelet on one node, and a user's cordon on another.
pub(crate) struct OfUsers<'a> {
    lab: &'a Lab,
    drop_in: &'a Host,
    cordoned: Option<&'a str>,
}

impl<'a> OfUsers<'a> {
    /// Lays them down.
    pub(crate) fn lay(lab: &'a Lab, drop_in: &str, cordoned: Option<&'a str>) -> Result<Self> {
        let host = lab.host(drop_in)?;
        host.write_file(DROP_IN, "0644", DROP_IN_TEXT)?;
        host.run_ok(&["systemctl", "daemon-reload"])?;
        host.run_ok(&["systemctl", "restart", "kubelet"])?;
        if let Some(node) = cordoned {
            lab.kubectl(&["cordon", node])?;
        }
        Ok(Self { lab, drop_in: host, cordoned })
    }

    /// Checks that they are as they were, and that nobody else is cordoned.
    pub(crate) fn are_kept(&self) -> Result<()> {
        ensure!(self.drop_in.read_file(DROP_IN)? == DROP_IN_TEXT, "the user's drop-in has changed");
        let environment =
            self.drop_in.run_ok(&["systemctl", "show", "--property=Environment", "--value", "kubelet"])?;
        ensure!(environment.contains("OF_A_USER=kept"), "the kubelet does not heed the drop-in: {environment}");
        let listed =
            self.lab.kubectl(&["get", "nodes", "--field-selector", "spec.unschedulable=true", "-o", "name"])?;
        let wanted: Vec<String> = self.cordoned.iter().map(|node| format!("node/{node}")).collect();
        let cordoned: Vec<&str> = listed.lines().collect();
        ensure!(cordoned == wanted, "cordoned are {cordoned:?}, not {wanted:?}");
        Ok(())
    }

    /// Takes them away.
    pub(crate) fn take_away(self) -> Result<()> {
        self.drop_in.run_ok(&["rm", DROP_IN])?;
        self.drop_in.run_ok(&["systemctl", "daemon-reload"])?;
        if let Some(node) = self.cordoned {
            self.lab.kubectl(&["uncordon", node]).context("take the user's cordon away")?;
        }
        Ok(())
    }
}
