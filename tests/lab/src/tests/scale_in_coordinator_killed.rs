//! SIGKILL of the coordinator in three places where it hurts: while pods are evicted, while kubeadm resets, before the Node goes.

use crate::kills::{Moments, removal_survives};
use crate::registry::{Set, TestCase};
use crate::shape::Shape;

pub(super) const TEST: TestCase = TestCase {
    name: "scale_in_coordinator_killed",
    cost: 110,
    set: Set::Smoke,
    shape: Shape::SMALL,
    run: |lab| removal_survives(lab, Moments::Steps(&["drain-w2", "reset-w2", "delete-node-w2"]), 3),
};
