//! Hosts and clusters in every trouble that a join can meet: told of with a code and a way out, before anything changes wherever it can be
//! known before, and nothing is left of the attempt. Out of trouble the same host joins.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::Output;
use crate::evidence::{Joining, Removal};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Trouble, lock_dpkg, make_bare, unlock_dpkg};
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
    lock_is_waited_for(lab, host).context("dpkg's lock is held")?;
    token_deleted_in_the_middle(lab, host).context("the token is deleted in the middle")?;
    make_bare(host)
}

fn words<'w>(lab: &'w Lab, name: &'w str) -> [&'w str; 7] {
    ["node", "join", name, "--role", "worker", "--kubernetes", lab.shape().release.version()]
}

fn join(lab: &Lab, name: &str) -> Result<Output> {
    lab.slipway(&[&words(lab, name)[..], &["--yes", "-o", "json"]].concat())
}

fn in_trouble(lab: &Lab, host: &Host, trouble: Trouble) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    trouble.make(lab, host).context("make the trouble")?;
    let output = join(lab, host.name());
    trouble.undo(lab, host).context("undo the trouble")?;
    let output = output?;
    if output.is_ok() {
        leaves_again(lab, host)?;
        bail!("it was joined all the same");
    }
    let run = lab.run_of(&output).ok();
    if let Some(run) = &run {
        run.reaches("unwound", Duration::from_mins(2))?;
    }
    told(&output, trouble)?;
    ensure!(run.is_none() || !trouble.is_known_before(), "it was found only after the run had begun: {output}");
    joining.left_nothing(true)
}

fn told(output: &Output, trouble: Trouble) -> Result<()> {
    let said = format!("{}{}", output.stdout, output.stderr);
    let (code, word) = trouble.told();
    ensure!(said.contains(code) && said.contains(word), "{code} and {word:?} are expected: {output}");
    println!("       {trouble:?}: exit {:?}, {code}", output.code);
    Ok(())
}

/// The next trouble is to find a bare host.
fn leaves_again(lab: &Lab, host: &Host) -> Result<()> {
    lab.start_removal(host.name())?.reaches("completed", Duration::from_mins(3))?;
    make_bare(host)
}

/// Somebody's work is waited for, with his name, and nothing is lost by waiting.
fn lock_is_waited_for(lab: &Lab, host: &Host) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    lock_dpkg(host)?;
    let plan = lab.slipway(&[&words(lab, host.name())[..], &["--dry-run"]].concat());
    let waiting = lab.start(&[&words(lab, host.name())[..], &["--yes"]].concat()).and_then(|run| {
        let step = format!("set-repository-{}", host.name());
        run.step_says(&step, &["perl", "process", "lock"], Duration::from_mins(1))?;
        Ok(run)
    });
    unlock_dpkg(host)?;
    let (plan, run) = (plan?, waiting?);
    let told = format!("{}{}", plan.stdout, plan.stderr);
    ensure!(told.contains("perl"), "the plan does not name who holds the lock: {plan}");
    run.reaches("completed", Duration::from_mins(5))?;
    joining.made_a_worker()?;
    leaves_again(lab, host)
}

/// An operator deletes it, or it runs out, while kubeadm is at work.
fn token_deleted_in_the_middle(lab: &Lab, host: &Host) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    host.run_ok(&["systemctl", "is-active", "containerd"])?;
    host.slow_kubeadm(6)?;
    let run = lab.start(&[&words(lab, host.name())[..], &["--yes"]].concat())?;
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
