//! Random interleavings: three masters, ten workers and three hosts that wait to be joined, several runs at once, and at every append, every
//! call of an agent and every call of the API chance decides who goes next and what goes wrong. After every event the invariants are judged by
//! the world itself. A seed says it all: the same one gives the same story.

pub mod admission;
pub mod chance;
pub mod coordinators;
pub mod game;
pub mod hosts;
pub mod invariants;
pub mod judge;
pub mod menu;
pub mod notes;
pub mod operators;
pub mod planted;
pub mod scene;
pub mod server;
pub mod sight;
pub mod store;
pub mod troubles;
pub mod turns;
pub mod wishes;

pub use game::{Broken, Outcome};
pub use planted::Planted;

/// Plays the interleaving of that seed, in a runtime of its own whose time goes on only when nobody has anything to do.
pub fn play(seed: u64, planted: Planted) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(2)
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(game::play(seed, planted))
}
