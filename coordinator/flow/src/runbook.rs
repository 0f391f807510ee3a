//! A plan as a runbook: what a person would do by hand, in order, without Slipway. It is made from the same plan that runs, so it cannot fall
//! behind it.

use std::fmt::Write;

use crate::{PlanView, view::StepView};

/// The runbook of a plan, in Markdown.
pub fn markdown(plan: &PlanView) -> String {
    let mut text = format!("# {}\n", plan.title);
    for warning in &plan.warnings {
        paragraph(&mut text, &format!("> {warning}"));
    }
    if let Some(width) = plan.at_once.filter(|_| plan.nodes.len() > 1) {
        paragraph(&mut text, &format!("At most {width} of {} nodes at once.", plan.nodes.len()));
    }
    let mut heading = String::new();
    for (index, step) in plan.steps.iter().enumerate() {
        if let Some(sentence) = &step.no_return_before {
            paragraph(
                &mut text,
                &format!(
                    "**Point of no return: {sentence}.** Up to here everything can be undone; from here on only go forward."
                ),
            );
        }
        let now = heading_of(step);
        if now != heading {
            paragraph(&mut text, &format!("## {now}"));
            heading = now;
        }
        describe(&mut text, index + 1, step);
    }
    text
}

fn heading_of(step: &StepView) -> String {
    step.node.as_ref().map_or_else(|| step.phase.clone(), |node| format!("{} ({node})", step.phase))
}

fn describe(text: &mut String, number: usize, step: &StepView) {
    let looks = if step.reads_only { " (only looks)" } else { "" };
    paragraph(text, &format!("{number}. {}{looks}", step.summary));
    for change in &step.changes {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "   - {change}");
    }
    if !step.by_hand.is_empty() {
        let _ = writeln!(text, "\n   ```sh");
        for command in &step.by_hand {
            let _ = writeln!(text, "   {command}");
        }
        let _ = writeln!(text, "   ```");
    }
}

fn paragraph(text: &mut String, line: &str) {
    let _ = writeln!(text, "\n{line}");
}
