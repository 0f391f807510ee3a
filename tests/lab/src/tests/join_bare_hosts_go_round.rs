//! Two hosts that were bare leave and join three times, one as a worker, one as a master: each time in full, each time clean, and after the
//! last round there is nothing that was not there before the first. No host is forgotten by it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{Joining, MasterRemoval, Removal};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_bare;
use crate::shape::{Role, Shape};

const ROUNDS: usize = 3;

pub(super) const TEST: TestCase =
    TestCase { name: "join_bare_hosts_go_round", cost: 360, set: Set::Full, shape: Shape::JOINABLE, run };

fn run(lab: &Lab) -> Result<()> {
    let (worker, master) = (lab.host("b1")?, lab.host("b2")?);
    let (first, first_master) = (Joining::ahead(lab, worker)?, Joining::ahead(lab, master)?);
    for round in 1..=ROUNDS {
        one_round(lab).with_context(|| format!("round {round}"))?;
    }
    first.left_nothing(false)?;
    first_master.left_nothing(false)?;
    for host in [worker, master] {
        let said = lab.enrolled(host.name())?.with_context(|| format!("{} is forgotten", host.name()))?;
        ensure!(said["state"] == "waiting", "{} is {}", host.name(), said["state"]);
        make_bare(host)?;
    }
    Ok(())
}

fn one_round(lab: &Lab) -> Result<()> {
    let (worker, master) = (lab.host("b1")?, lab.host("b2")?);
    let joining = Joining::ahead(lab, worker)?;
    lab.join("b1", Role::Worker)?;
    joining.made_a_worker()?;
    let joining_master = Joining::ahead(lab, master)?;
    lab.join("b2", Role::Master)?;
    joining_master.made_a_master()?;

    let removal = MasterRemoval::ahead(lab, master)?;
    let output = lab.remove_master("b2", &["--leave-one-etcd-member"])?;
    ensure!(output.is_ok(), "node remove b2: {output}");
    removal.ended_well()?;
    // A kubelet makes its lease a while after it is Ready, and without one it would not be seen to go.
    eventually("b1 to have its lease", Duration::from_secs(30), || {
        lab.kubectl(&["-n", "kube-node-lease", "get", "lease", "b1"])
    })?;
    let removal = Removal::ahead(lab, worker)?;
    lab.start_removal("b1")?.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])
}
