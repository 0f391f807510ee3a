//! The tools of the tests of masters themselves: roles that can be given, witnesses that see, a writer that notices, a master that is taken
//! out by hand and made one again. Slipway has no part in it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{
    MasterRemoval, etcd_data, etcdctl, member_of, members_now, removals, vip_answers_once, vip_holders,
};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{
    ConfigMapWriter, KubeletCredentials, add_ghost, join_master_again, make_leader, make_vip_holder, remove_member,
};
use crate::shape::Shape;

pub(super) const TEST: TestCase =
    TestCase { name: "lab_masters_leave_and_join_by_hand", cost: 120, set: Set::Full, shape: Shape::WIDE, run };

fn run(lab: &Lab) -> Result<()> {
    let writer = ConfigMapWriter::begin(lab)?;
    for master in lab.masters() {
        make_leader(lab, master)?;
        make_vip_holder(lab, master)?;
        let holder = vip_answers_once(lab)?;
        ensure!(holder == master.name(), "{} was to hold the address, and {holder} does", master.name());
    }
    let written = writer.lost_nothing()?;
    ensure!(written.acknowledged > 20, "hardly anything was written: {written}");
    two_holders_are_seen(lab)?;
    a_member_that_never_starts_is_seen(lab)?;
    a_kubelet_is_good_for_its_own_node_only(lab)?;
    leaves_by_hand(lab, lab.host("m1")?)
}

/// A witness that has never seen two would be no witness against them.
fn two_holders_are_seen(lab: &Lab) -> Result<()> {
    let second = lab.host("w1")?;
    second.run_ok(&["ip", "addr", "add", "10.70.0.10/32", "dev", "host0"])?;
    let holders = vip_holders(lab);
    second.run_ok(&["ip", "addr", "del", "10.70.0.10/32", "dev", "host0"])?;
    ensure!(holders?.len() == 2, "a second holder was not seen");
    Ok(())
}

fn a_member_that_never_starts_is_seen(lab: &Lab) -> Result<()> {
    let ghost = add_ghost(lab)?;
    ensure!(members_now(lab)?.iter().filter(|member| member.healthy).count() == 3, "the others are not well");
    remove_member(lab, &ghost)?;
    eventually("etcd to know of three members again", Duration::from_secs(10), || {
        let members = members_now(lab)?;
        ensure!(members.len() == 3 && members.iter().all(|member| member.healthy), "it knows {members:?}");
        Ok(())
    })?;
    let times = removals(lab, lab.host("m2")?, &ghost)?;
    ensure!(times == 1, "etcd's log tells of {times} removals of one member");
    Ok(())
}

fn a_kubelet_is_good_for_its_own_node_only(lab: &Lab) -> Result<()> {
    let at = lab.host("m3")?.address();
    // It checks itself that the copy is good.
    KubeletCredentials::copy(lab.host("w1")?, &at).map(|_| ())
}

/// In the order in which an operator would.
fn leaves_by_hand(lab: &Lab, host: &Host) -> Result<()> {
    let (name, by) = (host.name(), lab.host("m2")?);
    let removal = MasterRemoval::ahead(lab, host)?;
    let writer = ConfigMapWriter::begin(lab)?;
    host.run_ok(&["systemctl", "--quiet", "disable", "--now", "keepalived"])?;
    make_leader(lab, by)?;
    let removed = etcdctl(lab, by, &["member", "remove", removal.member_id()?])?;
    ensure!(removed.is_ok(), "etcdctl member remove: {removed}");
    host.run_ok(&["systemctl", "--quiet", "mask", "--now", "kubelet"])?;
    host.run_ok(&["kubeadm", "reset", "-f", "--skip-phases", "remove-etcd-member"])?;
    ensure!(!etcd_data(host)?.is_empty(), "kubeadm has emptied etcd's folder, which it is known to leave");
    host.script("wipe", WIPE, &[])?;
    by.run_ok(&["kubectl", "delete", "node", name])?;
    let written = writer.lost_nothing()?;
    ensure!(written.longest_gap < Duration::from_secs(20), "nobody could write for {:?}", written.longest_gap);
    removal.etcd_is_whole()?;
    let holder = vip_answers_once(lab)?;
    ensure!(holder != name, "{name} holds the address all the same");
    join_master_again(lab, host)?;
    member_of(lab, name).context("it is a member again").map(|_| ())
}

/// What a join must not find.
const WIPE: &str = "rm -rf /var/lib/etcd/* /etc/cni/net.d/*";
