//! SIGKILL of the coordinator each time the turn of a step has come: at least ten moments of one run.

use crate::kills::{Moments, removal_survives};
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "scale_in_coordinator_killed_at_every_step",
    cost: 125,
    set: Set::Full,
    shape: Shape::SMALL,
    run: |lab| removal_survives(lab, Moments::EveryStep, 10),
};
