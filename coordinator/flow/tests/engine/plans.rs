//! Plans as people see them, and plans that are refused.

use crate::toy::{Toy, ToyScaleIn, ToyStep, node};
use serde_json::json;
use slipway_errors::Code;
use slipway_flow::{Book, Flow, Plan, PlanView, runbook};
use slipway_types::NodeName;

fn plan(nodes: &[&str]) -> Plan<Toy> {
    ToyScaleIn::default().plan(&json!({}), &json!({ "nodes": nodes })).unwrap()
}

#[test]
fn the_same_facts_give_the_same_fingerprint_and_others_another() {
    assert_eq!(plan(&["w1", "w2"]).fingerprint(), plan(&["w1", "w2"]).fingerprint());
    assert_ne!(plan(&["w1", "w2"]).fingerprint(), plan(&["w2", "w1"]).fingerprint());
    assert_ne!(plan(&["w1"]).fingerprint(), plan(&["w1", "w2"]).fingerprint());
}

#[test]
fn a_line_that_moves_changes_the_fingerprint() {
    let steps = |late: bool| {
        let plan = Plan::<Toy>::of("f").node(&node("w1"), "workers").phase("a", |p| p.step(ToyStep::new("a")));
        let plan = if late { plan } else { plan.point_of_no_return("it is gone") };
        let plan = plan.phase("b", |p| p.step(ToyStep::new("b")));
        let plan = if late { plan.point_of_no_return("it is gone") } else { plan };
        plan.phase("c", |p| p.step(ToyStep::new("c"))).build().unwrap().fingerprint()
    };
    assert_ne!(steps(true), steps(false));
}

#[test]
fn the_view_marks_what_lies_behind_each_nodes_own_line() {
    let view = PlanView::of(&plan(&["w1", "w2"]));
    let behind: Vec<_> = view.steps.iter().map(|step| (step.id.as_str(), step.after_no_return)).collect();
    let expected = [
        ("look", false),
        ("cordon-w1", false),
        ("reset-w1", true),
        ("leave-w1", true),
        ("cordon-w2", false),
        ("reset-w2", true),
        ("leave-w2", true),
    ];
    assert_eq!(behind, expected);
    assert_eq!(view.steps.iter().filter(|step| step.no_return_before.is_some()).count(), 2);
    assert_eq!(view.steps[1].node, Some(node("w1")));
    let back: PlanView = serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap();
    assert_eq!(back, view);
}

#[test]
fn what_remains_by_hand_is_everything_at_first() {
    let view = PlanView::of(&plan(&["w1"]));
    let remaining = view.remaining_by_hand(&Book::new("r1".into()));
    assert_eq!(remaining, ["toyctl look", "toyctl cordon w1", "toyctl reset w1", "toyctl leave w1"]);
}

#[test]
fn a_runbook_has_the_steps_the_line_and_the_commands() {
    let text = runbook::markdown(&PlanView::of(&plan(&["w1"])));
    let expected = "# toy-scale-in w1

## preflight

1. look (only looks)

   ```sh
   toyctl look
   ```

## evacuate (w1)

2. cordon w1

   ```sh
   toyctl cordon w1
   ```

**Point of no return: the node leaves the cluster.** Up to here everything can be undone; from here on only go forward.

## clean host (w1)

3. reset w1

   ```sh
   toyctl reset w1
   ```

## leave (w1)

4. leave w1

   ```sh
   toyctl leave w1
   ```
";
    assert_eq!(text, expected);
}

#[test]
fn plans_that_cannot_be_run_are_refused() {
    let w1 = node("w1");
    let none: [&NodeName; 0] = [];
    let step = || ToyStep::new("a");
    let plan = || Plan::<Toy>::of("f");
    let refused = [
        ("no steps", plan().build().err()),
        ("no lanes", plan().for_each(none, |_, lane| lane).build().err()),
        ("a step twice", plan().phase("a", |p| p.step(step()).step(step())).build().err()),
        ("a line with nothing behind", plan().phase("a", |p| p.step(step())).point_of_no_return("x").build().err()),
        (
            "a lane of a foreign node",
            plan().for_each([&w1], |_, lane| lane.phase("a", |p| p.step(step()))).build().err(),
        ),
    ];
    for (what, error) in refused {
        assert_eq!(error.map(|error| error.code), Some(Code::INTERNAL), "{what}");
    }
    let twice = plan().node(&w1, "p").node(&w1, "p").phase("a", |p| p.step(step())).build().err();
    assert_eq!(twice.map(|error| error.code), Some(Code::NODE_NAMED_TWICE));
}
