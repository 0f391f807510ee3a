//! A member that was added and never started, as a join leaves it that was broken off: it counts against every removal, it is told of and
//! explained, and it goes with a proof only.

use anyhow::{Result, ensure};

use crate::etcd_verbs::{refused_in_words, unwrapped};
use crate::evidence::{MasterRemoval, members_now};
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::add_ghost;
use crate::shape::Shape;
use crate::slipway::WITH_FLAGS;

pub(super) const TEST: TestCase =
    TestCase { name: "control_plane_member_without_a_name", cost: 30, set: Set::Full, shape: Shape::WIDE, run };

const PROOF: &str = "10.70.0.99 was never installed, the join of it was broken off";

fn run(lab: &Lab) -> Result<()> {
    let removal = MasterRemoval::ahead(lab, lab.host("m2")?)?;
    let ghost = add_ghost(lab)?;
    is_told_of(lab, &ghost)?;
    counts_against_us(lab, &ghost)?;
    goes_with_proof_only(lab, &ghost)?;
    removal.nothing_happened()
}

fn is_told_of(lab: &Lab, ghost: &str) -> Result<()> {
    let status = lab.etcd_status()?;
    let shown = status.members.iter().find(|member| member.id == ghost);
    ensure!(
        shown.is_some_and(|member| !member.healthy && member.name.as_deref().unwrap_or_default().is_empty()),
        "{ghost} never started, and etcd status says {shown:?}"
    );
    ensure!(status.survives == Some(0), "3 of 4 answer: not one more may fail, but it says {:?}", status.survives);
    let page = lab.slipway(&["etcd", "status"])?;
    ensure!(page.is_ok(), "etcd status: {page}");
    let text = unwrapped(&page.stdout);
    for word in [ghost, "10.70.0.99", "never started"] {
        ensure!(text.contains(word), "{word:?} is not said to people: {}", page.stdout);
    }
    Ok(())
}

/// Four voters of which three answer need all three. One may go only with a word, and the sentence names who is down.
fn counts_against_us(lab: &Lab, ghost: &str) -> Result<()> {
    let output = lab.slipway(&[&["node", "remove", "m2"][..], &WITH_FLAGS].concat())?;
    refused_in_words(&output, "SLIP-QUORUM-", &[ghost, "--accept-less-tolerance"])?;
    ensure!(members_now(lab)?.len() == 4, "a member was removed all the same");
    Ok(())
}

fn goes_with_proof_only(lab: &Lab, ghost: &str) -> Result<()> {
    refused_in_words(&lab.remove_unnamed_member(ghost, None)?, "SLIP-MEMBER-", &[ghost, "--gone"])?;
    ensure!(members_now(lab)?.iter().any(|member| member.id == ghost), "it went without a proof");
    let output = lab.remove_unnamed_member(ghost, Some(PROOF))?;
    ensure!(output.is_ok(), "etcd remove-member: {output}");
    let members = members_now(lab)?;
    ensure!(members.len() == 3 && members.iter().all(|member| member.healthy), "etcd is not whole: {members:?}");
    let status = lab.etcd_status()?;
    ensure!(status.survives == Some(1), "three members survive one failure, but it says {:?}", status.survives);
    Ok(())
}
