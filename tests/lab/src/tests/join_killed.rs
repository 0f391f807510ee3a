//! A join during which the coordinator, the agent or the whole host dies, at six points from its first step to its last: it ends as a join
//! does, or is taken back and leaves nothing, and the next one ends well.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::eventually::eventually;
use crate::evidence::{Joining, Removal};
use crate::host::Host;
use crate::kills::UNIT;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::make_bare;
use crate::shape::{Role, Shape};
use crate::slipway::{Run, step_begun};

pub(super) const TEST: TestCase =
    TestCase { name: "join_killed", cost: 480, set: Set::Full, shape: Shape::JOINABLE, run };

const POINTS: usize = 6;
const AGENT: &str = "slipway-agent";
/// Of a run that waits for a person, who says "go on".
const WORDS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Coordinator,
    Agent,
    Host,
}

const VICTIMS: [Victim; 3] = [Victim::Coordinator, Victim::Agent, Victim::Host];

fn run(lab: &Lab) -> Result<()> {
    let host = lab.host("b1")?;
    for point in 0..POINTS {
        let victim = VICTIMS[point % VICTIMS.len()];
        killed_at(lab, host, victim, point)
            .with_context(|| format!("{victim:?} killed at point {point} of {POINTS}"))?;
        // From bare again, so that packages are installed each time.
        make_bare(host)?;
    }
    Ok(())
}

fn killed_at(lab: &Lab, host: &Host, victim: Victim, point: usize) -> Result<()> {
    let joining = Joining::ahead(lab, host)?;
    let version = lab.shape().release.version();
    let run = lab.start(&["node", "join", host.name(), "--role", "worker", "--kubernetes", version, "--yes"])?;
    let ids: Vec<String> = run.show()?.steps.into_iter().map(|step| step.id).collect();
    let at = &ids[point * (ids.len() - 1) / (POINTS - 1)];
    for line in run.watch()? {
        if step_begun(&line?) == Some(at.as_str()) {
            kill(lab, host, victim)?;
            break;
        }
    }
    let state = ends(&run)?;
    println!("       {victim:?} killed at {at}: {state}");
    if state == "unwound" {
        joining.left_nothing(false)?;
        lab.join(host.name(), Role::Worker)?;
    }
    joining.made_a_worker()?;
    let removal = Removal::ahead(lab, host)?;
    lab.start_removal(host.name())?.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])
}

fn kill(lab: &Lab, host: &Host, victim: Victim) -> Result<()> {
    let unit =
        |of: &Host, unit: &str| of.run_ok(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", unit]).map(|_| ());
    match victim {
        Victim::Coordinator => unit(lab.coordinator()?, UNIT),
        Victim::Agent => unit(host, AGENT),
        Victim::Host => {
            host.power_cut()?;
            lab.boot(host.name())
        }
    }
}

/// Says "go on" to a run that waits for it, some times; returns how it ended.
fn ends(run: &Run<'_>) -> Result<String> {
    for _ in 0..WORDS {
        let shown = eventually("the run to be over, or to wait for a word", Duration::from_mins(10), || {
            let shown = run.show()?;
            ensure!(
                ["completed", "unwound", "paused", "needs-operator"].contains(&shown.state.as_str()),
                "{}",
                shown.state
            );
            Ok(shown)
        })?;
        if ["completed", "unwound"].contains(&shown.state.as_str()) {
            return Ok(shown.state);
        }
        println!("       it waits: {:?}", shown.why);
        run.resume()?;
    }
    let shown = run.show()?;
    anyhow::bail!("after {WORDS} words it is still {}: {:?}", shown.state, shown.why)
}
