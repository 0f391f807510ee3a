//! Whatever happens in whatever order: some things always hold.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::StepState;

/// What may happen next, as a number that is taken modulo what is possible.
fn happen(bench: &mut Bench, what: u8, which: usize) {
    let pick = (!bench.open.is_empty()).then(|| bench.open[which % bench.open.len()].clone());
    match (what, pick) {
        (0, _) => bench.crash(),
        (1, _) if which.is_multiple_of(3) => drop(bench.command(Command::PauseNow)),
        (2 | 3, _) => drop(bench.command(Command::Resume)),
        (1, _) if which.is_multiple_of(16) => drop(bench.command(Command::GiveUp("why not".to_owned()))),
        (1, _) => drop(bench.command(Command::Pause)),
        (4, _) if which.is_multiple_of(4) => drop(bench.command(Command::Abort)),
        (_, None) => {
            if let Some(due) = bench.engine.next_wake() {
                bench.now = due;
                bench.input(Input::Wake).unwrap();
            }
        }
        (what, Some(open)) => {
            let outcome = match what {
                5 => retry(Effect::None),
                6 => retry(Effect::Partial),
                7 => retry(Effect::Unknown),
                8 => wait("away"),
                9 if which.is_multiple_of(3) => failed(),
                10 if !open.undoing && !open.acted_before => Outcome::AlreadyTrue,
                _ if open.undoing => Outcome::Undone,
                _ => done(),
            };
            bench.end(open.step.as_str(), outcome);
        }
    }
}

/// A journal that no sound run can have.
fn illegal(bench: &Bench, width: usize) -> Option<String> {
    let mut attempts: BTreeMap<&StepId, u32> = BTreeMap::new();
    let mut committed: Vec<&str> = Vec::new();
    let mut ended = false;
    for entry in &bench.journal {
        if ended {
            return Some(format!("{entry:?} after the end"));
        }
        match &entry.event {
            Event::Started { step, attempt } | Event::UndoStarted { step, attempt } => {
                if attempts.insert(step, *attempt).is_some_and(|before| before >= *attempt) {
                    return Some(format!("{step} used attempt {attempt} twice"));
                }
                let node = step.as_str().split('-').nth(1).unwrap_or_default();
                if matches!(entry.event, Event::UndoStarted { .. }) && committed.contains(&node) {
                    return Some(format!("{step} was undone behind its line"));
                }
            }
            Event::Committed { before } => committed.push(before.as_str().split('-').nth(1).unwrap_or_default()),
            Event::Finished { .. } => ended = true,
            _ => {}
        }
    }
    let under_way = bench.open.iter().filter(|open| !open.undoing).count();
    (under_way > width).then(|| format!("{under_way} steps are open, {width} may be"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(400), ..ProptestConfig::default() })]

    #[test]
    fn the_journal_is_a_legal_history_and_tells_everything(
        events in prop::collection::vec((0_u8..16, any::<usize>()), 0..120), width in 1_usize..4,
    ) {
        let mut bench = Bench::begin(disruptive(group(width, &["w1", "w2", "w3"], "a b | c d"), "b"));
        for (what, which) in events {
            happen(&mut bench, what, which);
            prop_assert_eq!(illegal(&bench, width), None);
            let folded = Book::fold(RunId::from("r1"), &bench.journal);
            prop_assert_eq!(&folded, bench.engine.book(), "the journal tells another story than the engine");
            let stuck = bench.open.is_empty() && bench.engine.next_wake().is_none();
            prop_assert!(!stuck || matches!(bench.state(), RunState::Paused) || bench.engine.is_over(), "nothing will ever happen, and nobody is told");
        }
    }

    #[test]
    fn when_the_trouble_stops_every_run_comes_to_its_end(events in prop::collection::vec((0_u8..16, any::<usize>()), 0..80)) {
        let mut bench = Bench::begin(disruptive(group(2, &["w1", "w2", "w3"], "a b | c d"), "b"));
        for (what, which) in events {
            happen(&mut bench, what, which);
        }
        for _ in 0..200 {
            if bench.state() == RunState::Paused || bench.engine.book().pause_requested.is_some() {
                bench.command(Command::Resume).unwrap();
            }
            happen(&mut bench, 15, 0);
        }
        let book = bench.engine.book();
        if book.state == RunState::NeedsOperator {
            return Ok(());
        }
        prop_assert!(matches!(book.state, RunState::Completed | RunState::Unwound), "{} {:?}", book.state, bench.story());
        for (step, known) in &book.steps {
            let left = known.acted && !matches!(known.state, StepState::Done | StepState::Undone);
            prop_assert!(!left, "{step} is left as {:?}", known.state);
        }
    }
}
