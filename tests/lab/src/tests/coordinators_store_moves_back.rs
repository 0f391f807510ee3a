//! Under a run that stands still the store moves from etcd to a file, with one coordinator, and back to etcd, with three: all runs are there each time,
//! the term only rises, and in the end the run goes on.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::evidence::Removal;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::scene::{Coordinators, Workload};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "coordinators_store_moves_back",
    cost: 150,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run,
};

const FILE: &str = "sqlite:/var/lib/slipway/coordinator/moved.sqlite";

fn run(lab: &Lab) -> Result<()> {
    let coordinators = Coordinators::on_masters(lab)?;
    let shop = Workload::open(lab)?;
    let removal = Removal::ahead(lab, lab.host("w2")?)?;
    let run = lab.start_removal("w2")?;
    run.comes_to("cordon-w2")?;
    let said = lab.slipway(&["run", "pause", run.id()])?;
    ensure!(said.is_ok(), "pause: {said}");
    let paused = run.reaches("paused", Duration::from_mins(1))?;
    let (steps, term) = (paused.steps.len(), term(lab)?);

    coordinators.move_store(FILE, 1)?;
    let shown = run.show()?;
    ensure!(shown.state == "paused" && shown.steps.len() == steps, "in the file it is {shown:?}");
    let in_file = self::term(lab)?;
    ensure!(in_file > term, "the term went from {term} to {in_file}");

    coordinators.move_store(&coordinators.url(), 3)?;
    let back = self::term(lab)?;
    ensure!(back > in_file, "the term went from {in_file} to {back}");
    run.resume()?;
    run.reaches("completed", Duration::from_mins(3))?;
    removal.ended_well(&[])?;
    shop.close()
}

/// The term under which the present leader leads, by its own word.
fn term(lab: &Lab) -> Result<u64> {
    let said = lab.slipway_json(&["doctor"])?;
    let findings = said.as_array().or_else(|| said["findings"].as_array()).context("a list of findings")?;
    let leads = findings.iter().filter_map(|one| one["says"].as_str()).find_map(|says| says.strip_prefix("leads: "));
    let text = leads.with_context(|| format!("nobody says that it leads: {said}"))?;
    let digits: String = text.split("term ").nth(1).unwrap_or(text).chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("a term in {text:?}"))
}
