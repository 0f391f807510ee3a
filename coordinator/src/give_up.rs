//! A run that nothing can bring to an end is given up by a person's word. What it has under way on a host would go on behind the back of
//! whichever run comes next, so every agent is asked first; of one that is silent nothing is assumed, and that is said.

use futures::StreamExt;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_flow::Command;
use slipway_types::RunId;

use crate::fleet::HostRecord;
use crate::runs::Runs;
use crate::world::World;

/// How many agents are asked at once.
const ASKED_AT_ONCE: usize = 32;
/// The longest reason: it stands in lists.
const LONGEST_REASON: usize = 500;

/// How a run was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp {
    /// Its state now.
    pub state: RunState,
    /// The commands of the steps that are not behind it.
    pub remaining_by_hand: Vec<String>,
    /// Hosts whose agents did not answer.
    pub silent: Vec<String>,
}

/// Ends the run as it is. Refused while an agent says that an operation of it is under way.
pub async fn give_up(
    world: &World,
    runs: &Runs,
    run: &RunId,
    (reason, actor): (&str, Actor),
) -> Result<GivenUp, Coded> {
    let reason = checked(reason)?;
    let silent = nothing_under_way(world, run).await?;
    let state = runs.command(run, Command::GiveUp(reason), actor).await?;
    let book = runs.book(run).await?;
    // One that this release makes another plan of has no list of what remains; its pages say what it did.
    let remaining_by_hand = runs.view(&book).map(|view| view.remaining_by_hand(&book)).unwrap_or_default();
    Ok(GivenUp { state, remaining_by_hand, silent })
}

fn checked(reason: &str) -> Result<String, Coded> {
    let reason = reason.trim();
    let fits = (1..=LONGEST_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if fits {
        return Ok(reason.to_owned());
    }
    let text = format!("a reason is one line of at most {LONGEST_REASON} characters, and not empty");
    Err(Coded::new(Code::WIRE_BAD_REQUEST, text).do_this("say why nobody goes on with it: --reason TEXT"))
}

/// The hosts whose agents did not answer; refused with what another says that it has under way.
async fn nothing_under_way(world: &World, run: &RunId) -> Result<Vec<String>, Coded> {
    let asked = world.hosts.list().await?.into_iter().map(|host| async move {
        let open = open_operation(world, &host).await;
        (host, open)
    });
    let mut answers = futures::stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    let mut silent = Vec::new();
    while let Some((host, answer)) = answers.next().await {
        match answer {
            None => silent.push(host.name),
            Some(open) if open.starts_with(&format!("{run}/")) => return Err(under_way(run, &host, &open)),
            Some(_) => {}
        }
    }
    silent.sort();
    Ok(silent)
}

/// What the agent has under way; none where it does not answer.
async fn open_operation(world: &World, host: &HostRecord) -> Option<String> {
    world.agents.identify(host).await.ok().map(|said| said.open_operation)
}

fn under_way(run: &RunId, host: &HostRecord, operation: &str) -> Coded {
    let text = format!("run {} has an operation under way on {}: {operation}", run.short(), host.name);
    Coded::new(Code::RUN_STATE, text).do_this("wait until it has ended there, then say it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_that_says_something() {
        assert_eq!(checked(" the disk of w2 is gone ").unwrap(), "the disk of w2 is gone");
        for wrong in ["", "  ", "two\nlines", &"x".repeat(501)] {
            assert_eq!(checked(wrong).unwrap_err().code, Code::WIRE_BAD_REQUEST, "{wrong:?}");
        }
    }
}
