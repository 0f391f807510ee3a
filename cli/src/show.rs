//! What a screen shows, made from plain data: every function here gives text and asks nothing, so that golden files can hold it.

pub mod bootstrap_token;
mod control_plane;
pub mod doctor;
pub mod etcd;
pub mod host;
pub mod node;
pub mod page;
pub mod plan;
pub mod run;
pub mod table;
pub mod wrap;

/// The part of a run's id that people type: its random end.
pub fn short(run: &str) -> String {
    slipway_types::RunId::from(run).short().to_owned()
}

/// The text, or `-` where there is none.
pub fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}
