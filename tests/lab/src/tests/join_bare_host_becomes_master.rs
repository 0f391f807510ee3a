//! One master and two bare hosts: one command makes a worker of the one, one a master of the other. Afterwards the cluster has two masters
//! in full, and nothing of the way there is left.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::evidence::{Joining, MasterRemoval};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_bare;
use crate::shape::{Role, Shape};

pub(super) const TEST: TestCase =
    TestCase { name: "join_bare_host_becomes_master", cost: 150, set: Set::Full, shape: Shape::JOINABLE, run };

fn run(lab: &Lab) -> Result<()> {
    let (worker, master) = (lab.host("b1")?, lab.host("b2")?);
    let joining = Joining::ahead(lab, worker)?;
    lab.join("b1", Role::Worker)?;
    joining.made_a_worker()?;
    let joining_master = Joining::ahead(lab, master)?;
    lab.join("b2", Role::Master)?;
    joining_master.made_a_master()?;
    no_certificates_are_kept(lab)?;

    let removal = MasterRemoval::ahead(lab, master)?;
    let output = lab.remove_master("b2", &["--leave-one-etcd-member"])?;
    ensure!(output.is_ok(), "node remove: {output}");
    removal.ended_well()?;
    joining_master.left_nothing(false)?;
    lab.start_removal("b1")?.reaches("completed", Duration::from_mins(3))?;
    joining.left_nothing(false)?;
    make_bare(worker)?;
    make_bare(master)
}

/// The certificates of the control plane lie in no Secret any more, and no key to them in what is told of runs.
fn no_certificates_are_kept(lab: &Lab) -> Result<()> {
    let kept =
        lab.kubectl(&["-n", "kube-system", "get", "secret", "kubeadm-certs", "--ignore-not-found", "-o", "name"])?;
    ensure!(kept.trim().is_empty(), "the certificates are still in {kept}");
    let runs = lab.slipway_json(&["run", "list", "--all"])?;
    let last = runs[0]["run"].as_str().unwrap_or_default();
    let page = lab.slipway(&["run", "show", last, "-o", "json"])?;
    ensure!(!page.stdout.contains("certificateKey"), "the key to the certificates is on record");
    Ok(())
}
