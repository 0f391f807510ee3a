//! A removal during which the coordinator is killed again and again, at moments that the run's own journal gives: each time the turn of
//! a chosen step has come. Its journal chooses the moments and proves nothing; that is done as after any removal.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::eventually::eventually;
use crate::evidence::{PodWatch, Removal, main_pid, restarts};
use crate::host::Host;
use crate::lab::Lab;
use crate::scene::{SHOP, Workload, join_again};
use crate::slipway::{Run, step_begun, step_ended};

pub(crate) const UNIT: &str = "slipway-coordinator";

/// Which steps a kill belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moments {
    /// These.
    Steps(&'static [&'static str]),
    /// Each one.
    EveryStep,
    /// The start and the end of those whose names have one of these in them.
    Around(&'static [&'static str]),
}

impl Moments {
    /// The moment that this line of `run watch` tells of, if it is one of these.
    fn of(self, line: &Value) -> Option<String> {
        let begun = step_begun(line);
        let among = |step: &str, parts: &[&str]| parts.iter().any(|part| step.contains(part));
        match self {
            Self::Steps(steps) => begun.filter(|step| steps.contains(step)).map(|step| format!("start of {step}")),
            Self::EveryStep => begun.map(|step| format!("start of {step}")),
            Self::Around(parts) => {
                let start = begun.filter(|step| among(step, parts)).map(|step| format!("start of {step}"));
                start
                    .or_else(|| step_ended(line).filter(|step| among(step, parts)).map(|step| format!("end of {step}")))
            }
        }
    }
}

/// Removes w2 under kills, at least as many as asked for, and checks that it ends as any removal.
pub(crate) fn removal_survives(lab: &Lab, moments: Moments, at_least: u32) -> Result<()> {
    let (worker, coordinator) = (lab.host("w2")?, lab.coordinator()?);
    let shop = Workload::open(lab)?;
    let watch = PodWatch::begin(lab, SHOP, "app=web", 6)?;
    let removal = Removal::ahead(lab, worker)?;
    let before = restarts(coordinator, UNIT)?;

    let run = lab.start_removal("w2")?;
    kill_along(coordinator, &run, moments)?;
    run.reaches("completed", Duration::from_mins(3))?;

    let kills = restarts(coordinator, UNIT)? - before;
    ensure!(kills >= at_least, "the coordinator was killed {kills} times only, not {at_least}");
    removal.ended_well(&[])?;
    let lowest = watch.lowest()?;
    ensure!(lowest == 5, "the Deployment's budget leaves 5 of 6, and {lowest} there were");
    shop.close()?;
    join_again(lab, worker)
}

/// Follows the run and kills the coordinator at each of its moments, once.
pub(crate) fn kill_along(coordinator: &Host, run: &Run<'_>, moments: Moments) -> Result<()> {
    let mut over = BTreeSet::new();
    let mut killed = String::new();
    for line in run.watch()? {
        let line = line?;
        let Some(moment) = moments.of(&line) else { continue };
        if over.insert(moment) {
            killed = kill(coordinator, &killed)?;
        }
    }
    Ok(())
}

/// Follows the run and kills the coordinator at so many of its moments, chosen at random among the starts of steps and the sentences that
/// they say meanwhile. What was chosen is told, so that a failure can be looked into.
pub(crate) fn kill_at_random(coordinator: &Host, run: &Run<'_>, kills: usize) -> Result<()> {
    let ids: Vec<String> = run.show()?.steps.into_iter().map(|step| step.id).collect();
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let chosen = chosen(&ids, kills, u64::from(seed));
    println!("       kills with seed {seed} at {chosen:?}");
    let mut left: BTreeSet<&String> = chosen.iter().map(|(id, _)| id).collect();
    let mut killed = String::new();
    for line in run.watch()? {
        let line = line?;
        let speaks = line["type"] == "progress";
        let step = if speaks { line["step"].as_str() } else { step_begun(&line) };
        let hit = chosen.iter().find(|(id, at_speech)| Some(id.as_str()) == step && (!at_speech || speaks));
        if let Some((id, _)) = hit
            && left.remove(id)
        {
            killed = kill(coordinator, &killed)?;
        }
        if left.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Steps, each with whether the kill waits for a sentence of it. A step that may be skipped, or say nothing, may let its turn pass: some more
/// are chosen than asked for.
fn chosen(ids: &[String], kills: usize, seed: u64) -> Vec<(String, bool)> {
    let hash = |id: &String| {
        let mut hasher = DefaultHasher::new();
        (seed, id).hash(&mut hasher);
        hasher.finish()
    };
    let mut order: Vec<&String> = ids.iter().collect();
    order.sort_by_key(|id| hash(id));
    order.into_iter().take(kills * 2).map(|id| (id.clone(), hash(id) % 3 == 0)).collect()
}

/// Kills the one that runs now, once the one that was killed before has been replaced. Returns its number.
fn kill(coordinator: &Host, last: &str) -> Result<String> {
    let pid = eventually("another coordinator to run", Duration::from_secs(30), || {
        let pid = main_pid(coordinator, UNIT)?;
        ensure!(pid != "0" && pid != last, "the unit's process is {pid}");
        Ok(pid)
    })?;
    coordinator.run_ok(&["kill", "-KILL", &pid])?;
    Ok(pid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_seed_chooses_the_same_moments() {
        let ids: Vec<String> = (0..40).map(|number| format!("step-{number}")).collect();
        assert_eq!(chosen(&ids, 6, 7), chosen(&ids, 6, 7));
        assert_ne!(chosen(&ids, 6, 7), chosen(&ids, 6, 8));
        assert_eq!(chosen(&ids, 6, 7).len(), 12);
    }

    #[test]
    fn a_step_has_a_moment_before_and_one_after_it() {
        let line = |event: &str, step: &str| json!({"type": "entry", "entry": {"event": event, "step": step}});
        let around = Moments::Around(&["reset-"]);
        assert_eq!(around.of(&line("started", "reset-m2")).as_deref(), Some("start of reset-m2"));
        assert_eq!(around.of(&line("done", "reset-m2")).as_deref(), Some("end of reset-m2"));
        assert_eq!(around.of(&line("done", "drain-m2")), None);
        assert_eq!(Moments::EveryStep.of(&line("done", "reset-m2")), None);
    }
}
