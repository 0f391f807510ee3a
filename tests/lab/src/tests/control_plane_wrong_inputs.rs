//! What must be refused with a code, and change nothing: verbs of etcd for a worker, the last master, a master that has lost its
//! certificates, a backup with nowhere to go.

use anyhow::{Result, ensure};

use crate::etcd_verbs::refused_in_words;
use crate::evidence::{MasterRemoval, members_now};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "control_plane_wrong_inputs", cost: 60, set: Set::Full, shape: Shape::WIDE, run };

const PKI: &str = "/etc/kubernetes/pki/etcd";
const ASIDE: &str = "/root/etcd-certificates";
const BACKUPS: &str = "/var/lib/slipway/coordinator/backups";

fn run(lab: &Lab) -> Result<()> {
    let removal = MasterRemoval::ahead(lab, lab.host("m2")?)?;
    let before = members_now(lab)?.len();
    refused_in_words(&lab.slipway(&["etcd", "status", "--host", "w1"])?, "SLIP-", &["w1"])?;
    refused_in_words(&lab.replace_member("w1", "w2")?, "SLIP-", &["w1"])?;
    let flags = ["--yes", "--accept-less-tolerance", "--leave-one-etcd-member"];
    let all = lab.slipway(&[&["node", "remove", "m1", "m2", "m3"][..], &flags].concat())?;
    refused_in_words(&all, "SLIP-", &["last"])?;
    without_certificates(lab, lab.host("m2")?)?;
    backup_with_nowhere_to_go(lab)?;
    ensure!(members_now(lab)?.len() == before, "etcd has other members than before");
    removal.nothing_happened()
}

/// Without them its agent cannot ask etcd, and nothing is guessed.
fn without_certificates(lab: &Lab, host: &Host) -> Result<()> {
    host.run_ok(&["mkdir", "-p", ASIDE])?;
    host.script("hide", "mv \"$1\"/healthcheck-client.* \"$1\"/server.* \"$2\"/", &[PKI, ASIDE])?;
    let said = lab.slipway(&["etcd", "status", "--host", host.name()]);
    let removed = lab.remove_master(host.name(), &[]);
    host.script("show", "mv \"$1\"/* \"$2\"/", &[ASIDE, PKI])?;
    let said = said?;
    let text = format!("{}{}", said.stdout, said.stderr);
    ensure!(!said.is_ok() && text.contains("SLIP-"), "no code says that certificates are missing: {said}");
    let removed = removed?;
    ensure!(!removed.is_ok(), "a master was removed whose etcd nobody could ask: {removed}");
    Ok(())
}

/// A folder that is full, then one that cannot be written to: no backup is listed that is none.
fn backup_with_nowhere_to_go(lab: &Lab) -> Result<()> {
    let host = lab.coordinator()?;
    host.run_ok(&["mkdir", "-p", "-m", "0700", BACKUPS])?;
    for option in ["size=64k,mode=0700", "ro,mode=0700"] {
        host.run_ok(&["mount", "-t", "tmpfs", "-o", option, "slipway-backups", BACKUPS])?;
        let output = lab.back_up_etcd();
        let left = host.run_ok(&["find", BACKUPS, "-type", "f"]);
        host.run_ok(&["umount", BACKUPS])?;
        let output = output?;
        let said = format!("{}{}", output.stdout, output.stderr);
        ensure!(!output.is_ok() && said.contains("SLIP-"), "{option}: no code says why there is no backup: {output}");
        ensure!(left?.trim().is_empty(), "{option}: half a backup was left");
    }
    let output = lab.back_up_etcd()?;
    ensure!(output.is_ok(), "with room it works: {output}");
    Ok(())
}
