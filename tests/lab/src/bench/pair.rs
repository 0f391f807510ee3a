//! Rounds of ours and the peer's, side by side, so that the noise of the machine is in both.

use serde::Serialize;

use super::drain::{Drained, Who};

/// What was measured, round by round.
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

/// Whose turn comes when in a round. Who begins changes, for the second finds caches warm.
pub(super) const fn turns(round: usize) -> [Who; 2] {
    if round.is_multiple_of(2) { [Who::Ours, Who::Peer] } else { [Who::Peer, Who::Ours] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_begin_in_turn() {
        assert_eq!([turns(0), turns(1)].concat(), [Who::Ours, Who::Peer, Who::Peer, Who::Ours]);
    }
}
