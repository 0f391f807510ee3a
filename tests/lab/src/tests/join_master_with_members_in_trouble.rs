//! A master that would join an etcd which is not whole: a member that is dead and still listed, a learner that never catches up. Both are
//! told of before anything changes; without them the master is one again, and may hold the address for all.

use anyhow::{Context as _, Result, ensure};

use crate::evidence::{Joining, etcdctl, members_now};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{add_ghost, remove_member};
use crate::shape::{Role, Shape};

pub(super) const TEST: TestCase =
    TestCase { name: "join_master_with_members_in_trouble", cost: 180, set: Set::Full, shape: Shape::WIDE, run };

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("m3")?;
    let output = lab.remove_master("m3", &[])?;
    ensure!(output.is_ok(), "node remove: {output}");
    let joining = Joining::ahead(lab, host)?;
    let dead = add_ghost(lab)?;
    is_refused(lab, &dead)?;
    remove_member(lab, &dead)?;
    let learner = add_learner(lab)?;
    is_refused(lab, &learner)?;
    remove_member(lab, &learner)?;
    joining.left_nothing(true)?;
    lab.join("m3", Role::Master)?;
    joining.made_a_master()?;
    let active = host.run(&["systemctl", "is-active", "keepalived"])?.stdout;
    ensure!(active.trim() == "active", "m3 cannot hold the address for all: keepalived is {}", active.trim());
    Ok(())
}

fn is_refused(lab: &Lab, member: &str) -> Result<()> {
    let version = lab.shape().release.version();
    let output = lab.slipway(&["node", "join", "m3", "--role", "control-plane", "--kubernetes", version, "--yes"])?;
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(output.code == Some(2) && said.contains("SLIP-"), "it was not refused beforehand: {output}");
    ensure!(said.contains(member), "the member {member} is not named: {output}");
    Ok(())
}

fn add_learner(lab: &Lab) -> Result<String> {
    let words = ["member", "add", "slow", "--learner", "--peer-urls", "https://10.70.0.98:2380"];
    let added = etcdctl(lab, lab.master()?, &words)?;
    ensure!(added.is_ok(), "add a learner: {added}");
    let new = members_now(lab)?.into_iter().find(|member| member.learner).context("it was added")?;
    Ok(new.id)
}
