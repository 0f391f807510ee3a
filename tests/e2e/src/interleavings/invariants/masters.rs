//! I1: no voluntary disruption of a control-plane node starts while another one is disrupted for any reason.

use super::start::{counted, starts};
use super::{Event, Invariant};
use crate::interleavings::scene::MASTERS;

/// See the module.
pub(super) struct OneMasterAtATime;

impl Invariant for OneMasterAtATime {
    fn name(&self) -> &'static str {
        "I1"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let is_master = |name: &str| MASTERS.contains(&name);
        for start in starts(event).into_iter().filter(|start| is_master(&start.node)) {
            let others = counted(&start, event, is_master);
            if !others.is_empty() {
                let (node, how) = (start.node, start.how);
                return Err(format!("{node} is taken out of service ({how}) while {} is out", others.join(", ")));
            }
        }
        Ok(())
    }
}
