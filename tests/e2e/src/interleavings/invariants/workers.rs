//! I3: no voluntary disruption of a worker starts unless, with it, no more than the budget are out of service.

use super::start::{Start, counted, starts};
use super::{Event, Invariant};
use crate::interleavings::scene::is_master;

/// See the module.
pub(super) struct WithinTheBudget;

fn limit(start: &Start, event: &Event<'_>) -> usize {
    let given = event.known.wish(&start.run).and_then(|wish| wish.params["budget"].as_u64());
    given.map_or(event.known.budget, |given| given as usize)
}

impl Invariant for WithinTheBudget {
    fn name(&self) -> &'static str {
        "I3"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let is_worker = |name: &str| !is_master(name);
        for start in starts(event).into_iter().filter(|start| is_worker(&start.node)) {
            let (others, limit) = (counted(&start, event, is_worker), limit(&start, event));
            if others.len() + 1 > limit {
                let (node, how) = (start.node, start.how);
                return Err(format!("{node} is taken out of service ({how}) beside {others:?}; {limit} may be"));
            }
        }
        Ok(())
    }
}
