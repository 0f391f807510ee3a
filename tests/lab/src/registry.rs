//! What the lab knows of a test before it runs: enough to choose it, to order it among others and to give it a cluster.

use anyhow::Result;

use crate::lab::Lab;
use crate::shape::Shape;

/// How often a test is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// With every change: each flow once.
    Smoke,
    /// Before an issue is taken for resolved.
    Full,
}

/// A test on a real cluster. It must leave the cluster as it found it: the next one gets the same.
#[derive(Clone, Copy)]
pub struct TestCase {
    /// A sentence in snake case that begins with the flow under test: `scale_in_worker_leaves_clean_host`.
    pub name: &'static str,
    /// How long it takes on a warm cluster, in seconds; the sum of all smoke tests is kept below fifteen minutes.
    pub cost: u32,
    /// How often it is run.
    pub set: Set,
    /// The smallest cluster that it is content with.
    pub shape: Shape,
    /// Ends with an error that says what was expected and what was seen.
    pub run: fn(&Lab) -> Result<()>,
}
