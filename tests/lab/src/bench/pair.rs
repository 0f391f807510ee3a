//! Rounds of ours and the peer's, side by side, so that the noise of the machine is in both.

use anyhow::Result;
use serde::Serialize;

use super::drain::{Drained, Who};

/// What was measured, round by round; the first one warms up and is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Contest {
    /// How many nodes were drained in a round, and how many pods had to go.
    pub(super) nodes: usize,
    pub(super) pods: usize,
    /// In seconds.
    pub(super) ours: Vec<f64>,
    pub(super) peer: Vec<f64>,
    /// What physics take, in seconds, of the same rounds.
    pub(super) floor: Vec<f64>,
    /// Requests to the API server for each pod.
    pub(super) ours_requests: Vec<f64>,
    pub(super) peer_requests: Vec<f64>,
}

impl Contest {
    /// Of so many nodes and pods a round.
    pub(super) fn of(nodes: usize, pods: usize) -> Self {
        Self { nodes, pods, ..Self::default() }
    }

    /// Notes how one of both did.
    pub(super) fn note(&mut self, who: Who, drained: &Drained) {
        let requests = drained.window.own() as f64 / self.pods as f64;
        let (seconds, asked) = match who {
            Who::Ours => (&mut self.ours, &mut self.ours_requests),
            Who::Peer => (&mut self.peer, &mut self.peer_requests),
        };
        seconds.push(drained.seconds);
        asked.push(requests);
    }
}

/// Lets both take their turn in each of so many rounds, and once more before them. Who begins changes, for the second finds caches warm.
pub(super) fn alternate(rounds: usize, mut turn: impl FnMut(usize, Who) -> Result<()>) -> Result<()> {
    for round in 0..=rounds {
        let order = if round % 2 == 0 { [Who::Ours, Who::Peer] } else { [Who::Peer, Who::Ours] };
        order.into_iter().try_for_each(|who| turn(round, who))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_as_many_turns_and_begin_in_turn() {
        let mut turns = Vec::new();
        alternate(1, |round, who| {
            turns.push((round, who));
            Ok(())
        })
        .unwrap();
        assert_eq!(turns, [(0, Who::Ours), (0, Who::Peer), (1, Who::Peer), (1, Who::Ours)]);
    }
}
