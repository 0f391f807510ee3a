//! A network that was here before the present one, or whose pods are gone already, has left its traces: they go too, and what merely
//! resembles them stays.

use anyhow::{Result, ensure};

use crate::evidence::{Removal, firewall};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Belongings, FILES, join_again, lay_flannel_traces, power_cycle};
use crate::shape::Shape;
use crate::slipway::WITH_FLAGS;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_flannel_traces", cost: 70, set: Set::Full, shape: Shape::SMALL, run };

fn run(lab: &Lab) -> Result<()> {
    let worker = lab.host("w2")?;
    let belongings = Belongings::lay(worker)?;
    lay_flannel_traces(worker)?;
    traces_are_seen(worker)?;
    let removal = Removal::ahead(lab, worker)?;

    let output = lab.slipway(&[&["node", "remove", "w2"][..], &WITH_FLAGS].concat())?;
    ensure!(output.is_ok(), "node remove: {output}");

    removal.ended_well(&FILES)?;
    belongings.are_as_they_were()?;
    // The user's links and rules live in memory; this takes them away as a reboot would.
    power_cycle(lab, worker)?;
    belongings.take_away_files()?;
    join_again(lab, worker)
}

/// A witness that does not see them would find them gone.
fn traces_are_seen(worker: &Host) -> Result<()> {
    let seen = firewall::kubernetes(worker)?.join("\n");
    for word in [
        "iptables-nft-save: nat :FLANNEL-POSTRTG",
        "iptables-legacy-save: filter :FLANNEL-FWD",
        "flannel-ipv4",
        "flannel-ipv6",
    ] {
        ensure!(seen.contains(word), "{word} is not seen among {seen}");
    }
    worker.run_ok(&["ip", "link", "show", "flannel.1"])?;
    worker.run_ok(&["test", "-d", "/var/lib/cni/networks/cbr0"]).map(|_| ())
}
