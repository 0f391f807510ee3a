//! The first master, on which everything hangs, leaves a cluster of three: the least that a change must not break.

use crate::masters::leaves_when_it_is_hardest;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "control_plane_master_leaves",
    cost: 150,
    set: Set::Smoke,
    shape: Shape { workers: 1, ..Shape::WIDE },
    run: |lab| leaves_when_it_is_hardest(lab, "m1"),
};
