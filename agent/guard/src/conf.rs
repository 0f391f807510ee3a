//! keepalived's configuration: ours, and what is there before.

mod adopt;
mod parse;
mod render;

pub use adopt::{Objection, objections};
pub use render::{MARK, render};
