//! What etcd's membership allows. The answers of agents come in as plain data, so that the one decision that can cost a cluster its state is
//! a pure function, tested by itself, and asked twice: in the plan and again right before the change.

mod identity;
mod member;
mod ownerless;
mod projection;
#[cfg(test)]
mod projection_tests;
mod words;

pub use identity::{Check, MasterReport, MemberMatch, Mismatch, match_members, member_of, member_of_silent};
pub use member::{Alarm, Member, MemberId, host_of};
pub use ownerless::{Ownerless, OwnerlessClass, OwnerlessProof, ownerless};
pub use projection::{Change, Projection, SINGLE_MEMBER_FLAG, Standing, Verdict, project, quorum};
