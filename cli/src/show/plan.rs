//! A plan on the screen: phases at the left, steps with their numbers, what each one does, and the command that it stands for. It is what an
//! operator says yes to, so it hides nothing that matters: the point of no return is a line across, warnings come last, next to the question.

use slipway_proto::coordinator::{Plan, PlannedStep};

use super::page::Page;
use super::wrap::{columns, command, pad, wrap};

/// How much of a step is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Changes on hosts are counted.
    Counted,
    /// Each change on a host has a line.
    EveryChange,
}

/// From this width on, commands stand at the right of the step; below it, under it.
const WIDE: usize = 96;
const GAP: usize = 2;

/// Where the columns of a plan are.
struct Columns {
    phase: usize,
    number: usize,
    summary: usize,
    by_hand: Option<usize>,
}

impl Columns {
    fn of(plan: &Plan, width: usize) -> Self {
        let longest =
            |text: fn(&PlannedStep) -> &str| plan.steps.iter().map(|step| columns(text(step))).max().unwrap_or(0);
        let phase = longest(|step| &step.phase).min(20);
        let number = plan.steps.len().to_string().len();
        let rest = width.saturating_sub(GAP + phase + GAP + number + 1);
        if width < WIDE {
            return Self { phase, number, summary: rest, by_hand: None };
        }
        let summary = longest(|step| &step.summary).clamp(20, (rest * 11 / 20).max(20));
        Self { phase, number, summary, by_hand: Some(rest.saturating_sub(summary + GAP)) }
    }

    fn before_summary(&self) -> usize {
        GAP + self.phase + GAP + self.number + 1
    }
}

/// The whole plan, each line ended.
pub fn text(plan: &Plan, detail: Detail, width: usize) -> String {
    let shape = Columns::of(plan, width);
    let mut lines = vec![headline(plan, width)];
    let mut phase = "";
    for (at, step) in plan.steps.iter().enumerate() {
        if !step.no_return_before.is_empty() {
            lines.push(format!("  ---- point of no return: {} ----", step.no_return_before));
        }
        let shown = if step.phase == phase { "" } else { &step.phase };
        phase = &step.phase;
        step_lines(&shape, step, at + 1, shown, detail, &mut lines);
    }
    for warning in &plan.warnings {
        let (label, text) = labelled(warning);
        let indent = 2 + columns(label);
        let mut wrapped = wrap(text, width.saturating_sub(indent)).into_iter();
        lines.push(format!("  {label}{}", wrapped.next().unwrap_or_default()));
        lines.extend(wrapped.map(|line| format!("{:indent$}{line}", "")));
    }
    let mut page = Page::default();
    page.lines("", lines);
    page.into_text()
}

/// What a line at the end is: a warning, unless it says otherwise of itself.
fn labelled(warning: &str) -> (&'static str, &str) {
    for label in ["block: ", "note: "] {
        if let Some(text) = warning.strip_prefix(label) {
            return (label, text);
        }
    }
    ("warning: ", warning)
}

fn headline(plan: &Plan, width: usize) -> String {
    let about = format!("{}, {}", counted(plan.steps.len(), "step"), undone(plan));
    let room = width.saturating_sub(columns(&plan.title) + GAP);
    if columns(&about) <= room {
        format!("{}{}{about}", plan.title, " ".repeat(GAP + room.saturating_sub(columns(&about)).min(12)))
    } else {
        format!("{}\n  {about}", plan.title)
    }
}

fn undone(plan: &Plan) -> String {
    if plan.steps.iter().filter(|step| !step.no_return_before.is_empty()).count() > 1 {
        return "each node undone on failure up to its point of no return".to_owned();
    }
    match plan.steps.iter().position(|step| step.after_no_return) {
        None => "undone on failure".to_owned(),
        Some(0) => "not undone on failure".to_owned(),
        Some(at) => format!("undone on failure up to step {at}"),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn step_lines(
    columns: &Columns,
    step: &PlannedStep,
    number: usize,
    phase: &str,
    detail: Detail,
    lines: &mut Vec<String>,
) {
    let right = right_hand(columns, step, detail);
    let beside = columns.by_hand.is_some();
    let mut left = wrap(&step.summary, columns.summary);
    if left.is_empty() {
        left.push(step.id.clone());
    }
    let height = if beside { left.len().max(right.len()) } else { left.len() };
    for row in 0..height {
        let head = if row == 0 { (phase, number.to_string()) } else { ("", String::new()) };
        let mut line = format!("  {}  {:>width$} ", pad(head.0, columns.phase), head.1, width = columns.number);
        let text = left.get(row).map_or("", String::as_str);
        match right.get(row).filter(|_| beside) {
            Some(right) => line.extend([&pad(text, columns.summary), "  ", right]),
            None => line.push_str(text),
        }
        lines.push(line);
    }
    let indent = " ".repeat(columns.before_summary());
    if !beside {
        lines.extend(right.iter().map(|line| format!("{indent}  {line}")));
    }
    if detail == Detail::EveryChange {
        let room = columns.summary + columns.by_hand.unwrap_or(0);
        lines.extend(step.changes.iter().flat_map(|change| change_lines(change, room, &indent)));
    }
}

fn change_lines(change: &str, room: usize, indent: &str) -> Vec<String> {
    let wrapped = wrap(change, room.saturating_sub(4).max(20));
    wrapped
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{indent}{} {line}", if at == 0 { "  -" } else { "   " }))
        .collect()
}

fn right_hand(columns: &Columns, step: &PlannedStep, detail: Detail) -> Vec<String> {
    let width = columns.by_hand.unwrap_or(columns.summary.saturating_sub(GAP));
    let mut right: Vec<String> = step.by_hand.iter().flat_map(|line| command(line, width)).collect();
    if step.reads_only && step.by_hand.is_empty() {
        right.push("(reads only)".to_owned());
    }
    if detail == Detail::Counted && !step.changes.is_empty() {
        right.push(format!("({}; --dry-run lists them)", counted(step.changes.len(), "change")));
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(summary: &str, by_hand: &[&str]) -> PlannedStep {
        PlannedStep {
            id: summary.replace(' ', "-"),
            phase: "evacuate".into(),
            summary: summary.into(),
            by_hand: by_hand.iter().map(|&line| line.to_owned()).collect(),
            ..Default::default()
        }
    }

    fn plan(steps: Vec<PlannedStep>) -> Plan {
        Plan { title: "drain w2".into(), steps, ..Default::default() }
    }

    #[test]
    fn a_phase_is_named_once() {
        let text = text(&plan(vec![step("cordon w2", &[]), step("drain w2", &[])]), Detail::Counted, 100);
        assert_eq!(text.matches("evacuate").count(), 1, "{text}");
    }

    #[test]
    fn how_far_it_is_undone_stands_in_the_first_line() {
        let first = |plan: &Plan| text(plan, Detail::Counted, 100).lines().next().unwrap_or_default().to_owned();
        let mut two = plan(vec![step("a", &[]), step("b", &[])]);
        assert!(first(&two).ends_with("2 steps, undone on failure"));
        two.steps[1].after_no_return = true;
        assert!(first(&two).ends_with("undone on failure up to step 1"));
        two.steps[0].after_no_return = true;
        assert!(first(&two).ends_with("2 steps, not undone on failure"));
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let long =
            "kubectl drain w2 --ignore-daemonsets --delete-emptydir-data --force --grace-period=30 --timeout=600s";
        let mut drain = step("drain 14 pods; the budget shop/web lets one of them go at a time", &[long]);
        drain.changes = vec![
            "remove file /etc/cni/net.d/10-flannel.conflist, which belongs to the profile flannel and to no package"
                .into(),
        ];
        let plan = plan(vec![drain]);
        for width in 60..150 {
            for detail in [Detail::Counted, Detail::EveryChange] {
                let text = text(&plan, detail, width);
                assert!(text.lines().all(|line| columns(line) <= width), "width {width}:\n{text}");
            }
        }
    }

    #[test]
    fn changes_are_counted_or_listed() {
        let mut clean = step("remove flannel", &[]);
        clean.changes = vec!["remove link flannel.1".into(), "remove link cni0".into()];
        let plan = plan(vec![clean]);
        let counted = text(&plan, Detail::Counted, 100);
        assert!(counted.contains("(2 changes; --dry-run lists them)") && !counted.contains("cni0"), "{counted}");
        let listed = text(&plan, Detail::EveryChange, 100);
        assert!(listed.contains("- remove link cni0") && !listed.contains("--dry-run"), "{listed}");
    }
}
