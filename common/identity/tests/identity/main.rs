//! Tests of identities from outside, in one program that is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails there")]

mod authority;
mod folders;
