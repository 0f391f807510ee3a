//! What can go wrong in one case, and the list of all cases for a flow.

use slipway_types::StepId;

/// A moment in the work of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is about to act.
    BeforeAct,
    /// It has acted, and the engine does not know yet.
    AfterAct,
}

/// The one thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The process dies before the journal's nth append is durable.
    CrashBeforeAppend(usize),
    /// The process dies right after the journal's nth append.
    CrashAfterAppend(usize),
    /// The process dies while a step works.
    CrashIn(StepId, Moment),
    /// A step fails once. After its act: the effect is there, and the step says it failed.
    FailOnce(StepId, Moment),
    /// A step fails for good, until somebody resumes the run.
    FailForGood(StepId),
    /// A step acts twice in a row.
    Repeat(StepId),
    /// A step acts, and its answer is lost.
    LoseAnswer(StepId),
    /// The store refuses the nth append for want of room, once.
    RefuseAppend(usize),
    /// The run is aborted after the nth append, and every undo is done twice.
    Abort(usize),
    /// The run is aborted at `abort`, and the process dies right after a later append.
    AbortAndCrash {
        /// The append after which the abort is asked for.
        abort: usize,
        /// The append after which the process dies.
        crash: usize,
    },
    /// Another coordinator takes over while a step is about to act; the old one acts afterwards.
    TakeOver(StepId),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |moment: &Moment| match moment {
            Moment::BeforeAct => "before it acts",
            Moment::AfterAct => "after it acted",
        };
        match self {
            Self::None => f.write_str("nothing goes wrong"),
            Self::CrashBeforeAppend(n) => write!(f, "crash before append {n}"),
            Self::CrashAfterAppend(n) => write!(f, "crash after append {n}"),
            Self::CrashIn(step, moment) => write!(f, "crash in {step} {}", at(moment)),
            Self::FailOnce(step, moment) => write!(f, "{step} fails once {}", at(moment)),
            Self::FailForGood(step) => write!(f, "{step} fails until the run is resumed"),
            Self::Repeat(step) => write!(f, "{step} acts twice"),
            Self::LoseAnswer(step) => write!(f, "the answer of {step} is lost"),
            Self::RefuseAppend(n) => write!(f, "append {n} is refused once"),
            Self::Abort(n) => write!(f, "abort after append {n}, each undo twice"),
            Self::AbortAndCrash { abort, crash } => write!(f, "abort after append {abort}, crash after append {crash}"),
            Self::TakeOver(step) => write!(f, "another coordinator takes over in {step}"),
        }
    }
}

/// Every case for a flow whose undisturbed run had these steps and so many appends.
pub(super) fn all(steps: &[StepId], appends: usize, before_commit: usize) -> Vec<Fault> {
    let mut faults = Vec::new();
    // The first append begins the run: before it there is nothing that could be lost.
    for n in 2..=appends {
        faults.extend([Fault::CrashBeforeAppend(n), Fault::CrashAfterAppend(n), Fault::RefuseAppend(n)]);
    }
    faults.push(Fault::CrashAfterAppend(1));
    for step in steps {
        for moment in [Moment::BeforeAct, Moment::AfterAct] {
            faults.extend([Fault::CrashIn(step.clone(), moment), Fault::FailOnce(step.clone(), moment)]);
        }
        faults.extend([Fault::FailForGood(step.clone()), Fault::Repeat(step.clone())]);
        faults.extend([Fault::LoseAnswer(step.clone()), Fault::TakeOver(step.clone())]);
    }
    faults.extend((1..=before_commit).map(Fault::Abort));
    // The way back has at most as many appends as the way there, and the requests for it.
    faults.extend(
        (1..=before_commit + 3)
            .map(|later| Fault::AbortAndCrash { abort: before_commit, crash: before_commit + later }),
    );
    faults
}
