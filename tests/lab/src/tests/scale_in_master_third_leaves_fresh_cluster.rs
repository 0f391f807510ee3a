//! The third master of a cluster that nothing was done to before leaves it while everything hangs on it.

use crate::masters::leaves_when_it_is_hardest;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "scale_in_master_third_leaves_fresh_cluster",
    cost: 130,
    set: Set::Full,
    shape: Shape { fresh: true, ..Shape::WIDE },
    run: |lab| leaves_when_it_is_hardest(lab, "m3"),
};
