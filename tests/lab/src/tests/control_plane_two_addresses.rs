//! A master with two addresses, whose Node has the one and whose member of etcd has the other: the member that goes is that of this host,
//! and no other.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::eventually::eventually;
use crate::evidence::MasterRemoval;
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::join_master_again;
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "control_plane_two_addresses", cost: 110, set: Set::Full, shape: Shape::WIDE, run };

const SECOND: &str = "10.70.0.62";
const WORDS: &str = "/etc/default/kubelet";

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("m2")?;
    host.run_ok(&["ip", "addr", "add", &format!("{SECOND}/24"), "dev", "host0"])?;
    node_has(lab, host, SECOND)?;
    let removal = MasterRemoval::ahead(lab, host)?;
    let page = lab.slipway(&["node", "show", "m2"])?;
    for word in [removal.member_id()?, SECOND, &host.address()] {
        ensure!(page.stdout.contains(word), "node show does not tell of {word}: {page}");
    }
    let output = lab.remove_master("m2", &[])?;
    ensure!(output.is_ok(), "node remove: {output}");
    removal.ended_well()?;
    host.write_file(WORDS, "0644", "KUBELET_EXTRA_ARGS=\n")?;
    host.run_ok(&["ip", "addr", "del", &format!("{SECOND}/24"), "dev", "host0"])?;
    join_master_again(lab, host)
}

fn node_has(lab: &Lab, host: &Host, address: &str) -> Result<()> {
    host.write_file(WORDS, "0644", format!("KUBELET_EXTRA_ARGS=--node-ip={address}\n"))?;
    host.run_ok(&["systemctl", "restart", "kubelet"])?;
    eventually(&format!("the Node to have {address}"), Duration::from_mins(1), || {
        let of_node = r#"jsonpath={.status.addresses[?(@.type=="InternalIP")].address}"#;
        let seen = lab.kubectl(&["get", "node", host.name(), "-o", of_node])?;
        ensure!(seen.trim() == address, "it has {seen}");
        Ok(())
    })
}
