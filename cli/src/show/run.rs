//! Runs on the screen: the list, and one run with its steps, what each one says, and the commands that remain.

use jiff::tz::TimeZone;
use slipway_proto::coordinator::{GetRunResponse, PlannedStep, RunSummary, StepStatus};

use super::page::Page;
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
    let mut text = head(&run, is_past_no_return(answer) || has_turned_back(answer), zone);
    let planned = answer.plan.iter().flat_map(|plan| &plan.steps);
    let total = answer.steps.len().to_string().len();
    for (at, status) in answer.steps.iter().enumerate() {
        let plan = planned.clone().find(|step| step.id == status.id);
        if let Some(sentence) = plan.map(|step| &step.no_return_before).filter(|sentence| !sentence.is_empty()) {
            text.line(format!("  ---- point of no return: {sentence} ----"));
        }
        step(&mut text, at + 1, total, status, plan, verbose);
    }
    if !answer.remaining_by_hand.is_empty() {
        text.line("\nwhat remains, by hand:");
        for command in &answer.remaining_by_hand {
            text.lines("  ", super::wrap::command(command, width.saturating_sub(2)));
        }
    }
    text.into_text()
}

fn head(run: &RunSummary, no_abort: bool, zone: &TimeZone) -> Page {
    let mut text = Page::default();
    text.line(&run.title);
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            text.line(format!("  {name:<8} {value}"));
        }
    };
    row("run", run.run.clone());
    row("state", if run.why.is_empty() { run.state.clone() } else { format!("{}: {}", run.state, run.why) });
    row("steps", format!("{} of {} done", run.steps_done, run.steps_total));
    row("by", run.actor.clone());
    row("started", units::moment(run.started_ms, zone).unwrap_or_default());
    row("ended", units::moment(run.ended_ms, zone).unwrap_or_default());
    row("next", next(run, no_abort));
    text.line("");
    text
}

/// Whether something was begun that cannot be undone.
fn is_past_no_return(answer: &GetRunResponse) -> bool {
    let begun = |id: &str| answer.steps.iter().any(|status| status.id == id && status.state != "waiting");
    answer.plan.iter().flat_map(|plan| &plan.steps).any(|step| step.after_no_return && begun(&step.id))
}

/// Whether it is being undone already.
fn has_turned_back(answer: &GetRunResponse) -> bool {
    answer.steps.iter().any(|status| ["undoing", "undone", "undo-failed"].contains(&status.state.as_str()))
}

/// What can be typed now.
fn next(run: &RunSummary, no_abort: bool) -> String {
    let id = short(&run.run);
    match run.state.as_str() {
        "running" | "unwinding" => format!("slipway run watch {id}"),
        "paused" if no_abort => {
            format!("slipway run resume {id}; if it never can: slipway run give-up {id} --reason TEXT")
        }
        "paused" => format!("slipway run resume {id}, or slipway run abort {id}"),
        "awaiting-approval" => format!("slipway run approve {id}"),
        _ => String::new(),
    }
}

fn step(text: &mut Page, number: usize, width: usize, status: &StepStatus, plan: Option<&PlannedStep>, verbose: bool) {
    let summary = plan.map_or(status.id.as_str(), |plan| plan.summary.as_str());
    text.line(format!("  {:<12} {number:>width$} {summary}", status.state));
    let indent = " ".repeat(2 + 12 + 1 + width + 1);
    if !status.says.is_empty() {
        text.line(format!("{indent}{}", status.says));
    }
    if verbose {
        if status.attempts > 1 {
            text.line(format!("{indent}{} attempts", status.attempts));
        }
        text.lines(&format!("{indent}| "), &status.record);
    } else if !status.record.is_empty() {
        text.line(format!("{indent}({} lines of record; -v shows them)", status.record.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_typed_follows_from_the_state() {
        let say =
            |state: &str| next(&RunSummary { run: "r1".into(), state: state.into(), ..Default::default() }, false);
        assert_eq!(say("paused"), "slipway run resume r1, or slipway run abort r1");
        assert_eq!(say("awaiting-approval"), "slipway run approve r1");
        assert_eq!(say("completed"), "");
        assert_eq!(
            next(&RunSummary { run: "r1".into(), state: "paused".into(), ..Default::default() }, true),
            "slipway run resume r1; if it never can: slipway run give-up r1 --reason TEXT"
        );
    }

    #[test]
    fn an_empty_list_says_how_to_see_more() {
        assert!(list(&[], 80, &TimeZone::UTC).contains("--all"));
    }
}
