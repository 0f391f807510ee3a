//! I14, where it is about what lets a host in: a bootstrap token is there only while the run is open that joins with it, and the certificates of
//! the control plane only while a master joins. What is left when a run has ended would let anybody in.

use slipway_events::RunState;

use super::{Event, Invariant, Known};
use crate::interleavings::sight::{Pass, Sight};
use crate::interleavings::wishes::{Stand, Wish};

/// See the module.
pub(super) struct NoSecretOutlivesItsJoin;

/// It may still need what it has made. One that a person has to look at says so.
fn may_hold(wish: &Wish) -> bool {
    wish.joins() && (wish.is_open() || wish.stand == Stand::Over(RunState::NeedsOperator))
}

fn left(sight: &Sight, known: &Known) -> Result<(), String> {
    for pass in sight.passes.iter() {
        match pass {
            Pass::Token(says) => {
                let of = |wish: &&Wish| says.starts_with(&format!("slipway: run {} joins ", wish.run));
                if !known.wishes.iter().find(of).is_some_and(may_hold) {
                    return Err(format!("there is a bootstrap token, {says:?}, and no run is open that needs it"));
                }
            }
            Pass::Certificates => {
                let master = |wish: &Wish| wish.params["role"] == "control-plane" && may_hold(wish);
                if !known.wishes.iter().any(master) {
                    return Err("the certificates of the control plane lie about, and no master joins".to_owned());
                }
            }
        }
    }
    Ok(())
}

impl Invariant for NoSecretOutlivesItsJoin {
    fn name(&self) -> &'static str {
        "I14"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        left(event.after, event.known)
    }

    fn at_rest(&self, sight: &Sight, known: &Known) -> Result<(), String> {
        left(sight, known)
    }
}
