//! One of three masters is dead. To take a healthy one would end the quorum, and is refused with the reckoning in words; to take the dead
//! one makes the cluster safer, and is done.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::etcd_verbs::refused_in_words;
use crate::eventually::eventually;
use crate::evidence::{MasterRemoval, member_of, members_now};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{wait_not_ready, wait_silent};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "control_plane_second_member_down", cost: 120, set: Set::Full, shape: Shape::WIDE, run };

const FENCED: &str = "m3 is powered off";

fn run(lab: &Lab) -> Result<()> {
    let (healthy, dead) = (lab.host("m2")?, lab.host("m3")?);
    let removal = MasterRemoval::ahead(lab, healthy)?;
    let gone = member_of(lab, "m3")?;
    dead.power_cut()?;
    wait_silent(lab, dead)?;
    wait_not_ready(lab, dead)?;
    eventually("Slipway to see that m3 is down", Duration::from_secs(30), || {
        let status = lab.etcd_status()?;
        ensure!(status.quorum && status.healthy().len() == 2, "it sees {:?}", status.members);
        ensure!(status.survives == Some(0), "it says that {:?} more may fail", status.survives);
        Ok(())
    })?;

    let words = ["3 members", "2 healthy", "m2", "m3"];
    refused_in_words(&lab.remove_master("m2", &["--leave-one-etcd-member"])?, "SLIP-QUORUM-", &words)?;
    removal.nothing_happened()?;

    let output = lab.remove_unreachable("m3", Some(FENCED))?;
    ensure!(output.is_ok(), "the dead one may go: {output}");
    let members = members_now(lab)?;
    ensure!(members.iter().all(|member| member.id != gone.id && member.healthy), "etcd is not whole: {members:?}");
    ensure!(members.len() == 2, "etcd has {members:?}");
    lab.spend()
}
