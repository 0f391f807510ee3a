//! All tests of the engine from outside, in one program that is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails there")]

mod crash_matrix;
mod many_runs;
mod plans;
mod runner;
mod toy;
