//! A run as it is seen live. [`view`] folds the journal into what is known (pure); [`follow`] keeps the stream alive over a coordinator that
//! restarts; [`lines`], [`live`] and [`machine`] paint the same notices for a pipe, a terminal and a program.

pub mod follow;
pub mod lines;
pub mod live;
pub mod machine;
pub mod view;

use std::io;

use slipway_events::RunState;

use view::{Notice, ProgressView};

/// Shows what happens in a run.
pub trait Paint: Send {
    /// A journal line came; `notices` is what it means for people.
    fn entry(&mut self, raw: &str, notices: &[Notice], view: &ProgressView) -> io::Result<()>;
    /// A step says what it waits for.
    fn progress(&mut self, step: &str, says: &str, view: &ProgressView) -> io::Result<()>;
    /// The connection was lost, or is back.
    fn connection(&mut self, link: Link, says: &str) -> io::Result<()>;
    /// A second has passed.
    fn tick(&mut self, view: &ProgressView) -> io::Result<()>;
    /// The run has ended or waits for a person; nothing follows.
    fn ended(&mut self, state: RunState, why: &str) -> io::Result<()>;
}

/// The connection to the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It broke.
    Lost,
    /// It was made again.
    Back,
}
