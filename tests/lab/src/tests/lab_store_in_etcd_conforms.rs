//! The store keeps its promises in a real etcd of three members too, with members that are killed and come back.

use anyhow::{Result, ensure};

use crate::conformance::suite;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_store_in_etcd_conforms", cost: 25, set: Set::Full, shape: Shape::SMALL, run };

const CASES: [&str; 3] = [
    "the_store_in_etcd_keeps_every_promise",
    "a_leader_that_is_gone_is_missed_and_one_that_resigns_at_once",
    "one_member_less_is_not_noticed_and_two_less_end_the_leadership",
];

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("w1")?;
    let program = host.run_ok(&["sh", "-c", "echo /opt/lab/etcd-later-*/etcd"])?;
    ensure!(host.has_path(program.trim())?, "there is no {program}");
    suite(host, "store", &CASES, &[("SLIPWAY_STORE_CONFORMANCE", program.trim())])
}
