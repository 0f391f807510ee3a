//! Runs on the screen: the list, and one run with its steps, what each one says, and the commands that remain.

use jiff::tz::TimeZone;
use slipway_proto::coordinator::{GetRunResponse, PlannedStep, RunSummary, StepStatus};

use super::table::table;
use super::{or_dash, short};
use crate::units;

/// `run list`.
pub fn list(runs: &[RunSummary], width: usize, zone: &TimeZone) -> String {
    if runs.is_empty() {
        return "no open runs; --all shows those that have ended\n".to_owned();
    }
    let row = |run: &RunSummary| {
        vec![
            short(&run.run),
            run.state.clone(),
            format!("{}/{}", run.steps_done, run.steps_total),
            units::moment(run.started_ms, zone).unwrap_or_else(|| "-".to_owned()),
            or_dash(&run.actor).to_owned(),
            run.title.clone(),
        ]
    };
    table(&["RUN", "STATE", "STEPS", "STARTED", "BY", "WHAT"], runs.iter().map(row).collect(), width)
}

/// `run show`.
pub fn page(answer: &GetRunResponse, verbose: bool, width: usize, zone: &TimeZone) -> String {
    let run = answer.summary.clone().unwrap_or_default();
    let mut text = head(&run, zone);
    let planned = answer.plan.iter().flat_map(|plan| &plan.steps);
    let total = answer.steps.len().to_string().len();
    for (at, status) in answer.steps.iter().enumerate() {
        let plan = planned.clone().find(|step| step.id == status.id);
        if let Some(sentence) = plan.map(|step| &step.no_return_before).filter(|sentence| !sentence.is_empty()) {
            text.push_str(&format!("  ---- point of no return: {sentence} ----\n"));
        }
        step(&mut text, at + 1, total, status, plan, verbose);
    }
    if !answer.remaining_by_hand.is_empty() {
        text.push_str("\nwhat remains, by hand:\n");
        for command in &answer.remaining_by_hand {
            text.extend(super::wrap::command(command, width.saturating_sub(2)).into_iter().map(|line| format!("  {line}\n")));
        }
    }
    text
}

fn head(run: &RunSummary, zone: &TimeZone) -> String {
    let mut text = format!("{}\n", run.title);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            text.push_str(&format!("  {name:<8} {value}\n"));
        }
    };
    row("run", run.run.clone());
    row("state", if run.why.is_empty() { run.state.clone() } else { format!("{}: {}", run.state, run.why) });
    row("steps", format!("{} of {} done", run.steps_done, run.steps_total));
    row("by", run.actor.clone());
    row("started", units::moment(run.started_ms, zone).unwrap_or_default());
    row("ended", units::moment(run.ended_ms, zone).unwrap_or_default());
    row("next", next(run));
    text.push('\n');
    text
}

/// What can be typed now.
fn next(run: &RunSummary) -> String {
    let id = short(&run.run);
    match run.state.as_str() {
        "running" | "unwinding" => format!("slipway run watch {id}"),
        "paused" => format!("slipway run resume {id}, or slipway run abort {id}"),
        "awaiting-approval" => format!("slipway run approve {id}"),
        _ => String::new(),
    }
}

fn step(text: &mut String, number: usize, width: usize, status: &StepStatus, plan: Option<&PlannedStep>, verbose: bool) {
    let summary = plan.map_or(status.id.as_str(), |plan| plan.summary.as_str());
    text.push_str(&format!("  {:<12} {number:>width$} {summary}\n", status.state));
    let indent = " ".repeat(2 + 12 + 1 + width + 1);
    if !status.says.is_empty() {
        text.push_str(&format!("{indent}{}\n", status.says));
    }
    if verbose {
        if status.attempts > 1 {
            text.push_str(&format!("{indent}{} attempts\n", status.attempts));
        }
        text.extend(status.record.iter().map(|line| format!("{indent}| {line}\n")));
    } else if !status.record.is_empty() {
        text.push_str(&format!("{indent}({} lines of record; -v shows them)\n", status.record.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_typed_follows_from_the_state() {
        let say = |state: &str| next(&RunSummary { run: "r1".into(), state: state.into(), ..Default::default() });
        assert_eq!(say("paused"), "slipway run resume r1, or slipway run abort r1");
        assert_eq!(say("awaiting-approval"), "slipway run approve r1");
        assert_eq!(say("completed"), "");
    }

    #[test]
    fn an_empty_list_says_how_to_see_more() {
        assert!(list(&[], 80, &TimeZone::UTC).contains("--all"));
    }
}
