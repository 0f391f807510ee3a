//! All end-to-end tests in one program: what they are linked with is most of Slipway, and linking it once is enough.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test says what went wrong by failing"
)]

mod bad_input;
mod crash_matrix;
mod denials;
mod enrolment;
mod etcd;
mod give_up;
mod interleavings;
mod join;
mod join_master;
mod masters;
mod node_show;
mod ownerless_members;
mod packages;
mod replace_member;
mod scale_in;
mod several_coordinators;
mod upgrade;
