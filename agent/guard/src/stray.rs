//! An address that keepalived left behind: one that was killed takes nothing away, and another master has the address already.

use slipway_host::{Active, ServiceState};

/// A link, and the address on it.
pub type Held = (String, String);

/// What is known of the address on this host.
#[derive(Debug, Clone, Default)]
pub struct Stray {
    /// As keepalived put it there.
    of_keepalived: Option<Held>,
}

impl Stray {
    /// Takes in what was seen; gives what is to be taken away. What was never seen under a keepalived that runs is somebody else's, such as an address
    /// that was lent by hand.
    pub fn see(&mut self, keepalived: Option<&ServiceState>, held_by: Option<&Held>) -> Option<Held> {
        let unit = keepalived?;
        if unit.active == Active::Active {
            self.of_keepalived = held_by.cloned();
        }
        let dead = unit.active.is_down() && unit.main_pid.is_none();
        held_by.filter(|held| dead && self.of_keepalived.as_ref() == Some(held)).cloned()
    }
}
