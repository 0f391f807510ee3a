//! Hosts and clusters in every trouble that a join can meet: told of with a code and a way out, before anything changes wherever it can be
//! known before, and nothing is left of the attempt. Out of trouble the same host joins.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::Output;
use crate::evidence::{Joining, Removal};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Trouble, make_bare};
use crate::shape::{Role, Shape};
use crate::slipway::refused;

pub(super) const TEST: TestCase =
    TestCase { name: "join_refusals", cost: 420, set: Set::Full, shape: Shape::JOINABLE, run };

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("b1")?;
    refused(&join(lab, "w1")?, 2, "SLIP-JOIN-001")?;
    let mut failed = Vec::new();
    for trouble in Trouble::ALL {
        if let Err(error) = in_trouble(lab, host, trouble) {
            println!("       {trouble:?}: {error:#}");
            failed.push(format!("{trouble:?}"));
        }
    }
    ensure!(failed.is_empty(), "not as they should be: {}", failed.join(", "));
    token_deleted_in_the_middle(lab, host)?;
    make_bare(host)
}

fn join(lab: &Lab, name: &str) -> Result<Output> {
    let version = lab.shape().release.version();
    lab.slipway(&["node", "join", name, "--role", "worker", "--kubernetes", version, "--yes", "-o", "json"])
}

fn in_trouble(lab: &Lab, host: &Host, trouble: Trouble) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    trouble.make(lab, host).context("make the trouble")?;
    let output = join(lab, host.name());
    // A run that waits for a person is told to give up, as that person would.
    let given_up = output.as_ref().map_err(|error| anyhow::anyhow!("{error:#}")).and_then(|said| give_up(lab, said));
    trouble.undo(lab, host).context("undo the trouble")?;
    let output = output?;
    given_up?;
    told(&output, trouble)?;
    joining.left_nothing(true)
}

fn told(output: &Output, trouble: Trouble) -> Result<()> {
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(!output.is_ok(), "it was joined all the same");
    ensure!(said.contains("SLIP-") && !said.contains("SLIP-INTERNAL"), "there is no code: {output}");
    ensure!(trouble.words().iter().any(|word| said.contains(word)), "none of {:?} is named: {output}", trouble.words());
    println!("       {trouble:?}: exit {:?}, {}", output.code, codes(&said));
    Ok(())
}

fn codes(said: &str) -> String {
    let words = said.split(|of: char| !(of.is_ascii_alphanumeric() || of == '-'));
    let mut codes: Vec<&str> = words.filter(|word| word.starts_with("SLIP-")).collect();
    codes.dedup();
    codes.join(" ")
}

/// Aborts the run that a verb began, if one is under way.
fn give_up(lab: &Lab, output: &Output) -> Result<()> {
    let Ok(run) = lab.run_of(output) else { return Ok(()) };
    if ["unwound", "completed"].contains(&run.show()?.state.as_str()) {
        return Ok(());
    }
    let aborted = lab.slipway(&["run", "abort", &run.id])?;
    ensure!(aborted.is_ok(), "abort: {aborted}");
    run.reaches("unwound", Duration::from_mins(2)).map(|_| ())
}

/// An operator deletes it, or it runs out, while kubeadm is at work.
fn token_deleted_in_the_middle(lab: &Lab, host: &Host) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    host.run_ok(&["systemctl", "is-active", "containerd"])?;
    host.slow_kubeadm(6)?;
    let version = lab.shape().release.version();
    let run = lab.start(&["node", "join", host.name(), "--role", "worker", "--kubernetes", version, "--yes"])?;
    host.wait_kubeadm_runs("join", Duration::from_mins(3))?;
    let tokens = lab.kubectl(&["-n", "kube-system", "get", "secrets", "--field-selector", TOKENS, "-o", "name"])?;
    let Some(token) = tokens.lines().next() else { bail!("there is no token while kubeadm joins") };
    lab.kubectl(&["-n", "kube-system", "delete", token])?;
    host.slow_kubeadm(0)?;
    let shown = crate::eventually::eventually("the run to be over", Duration::from_mins(12), || {
        let shown = run.show()?;
        ensure!(
            ["completed", "unwound", "paused", "needs-operator"].contains(&shown.state.as_str()),
            "{}",
            shown.state
        );
        Ok(shown)
    })?;
    ensure!(shown.state == "unwound", "without its token the join is {}: {:?}", shown.state, shown.why);
    ensure!(shown.why.as_deref().unwrap_or_default().contains("SLIP-"), "there is no code: {:?}", shown.why);
    joining.left_nothing(false)?;
    lab.join(host.name(), Role::Worker)?;
    joining.made_a_worker()?;
    let removal = Removal::ahead(lab, host)?;
    lab.start_removal(host.name())?.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])
}

const TOKENS: &str = "type=bootstrap.kubernetes.io/token";
