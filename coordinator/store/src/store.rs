//! The trait that backends implement and everything else uses.

use async_trait::async_trait;
use slipway_flow::Journal;
use slipway_types::{Fence, Term};

use crate::{Error, HighWater, Leadership, Record, Watch};

/// The largest value that is stored.
pub const MOST_VALUE: usize = 1024 * 1024;

/// The most records that one `list` returns.
pub const MOST_LISTED: usize = 100_000;

/// Durable state: records by key, the journals of runs (see [`Journal`]), and the one record of who leads.
#[async_trait]
pub trait Store: Journal {
    /// The record of that key.
    async fn get(&self, key: &str) -> Result<Option<Record>, Error>;

    /// All records whose key begins with `prefix`, by key.
    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error>;

    /// Stores a value under a key that has none, and returns its version.
    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error>;

    /// Replaces the value of a key that still has the version `expected`, and returns the new version.
    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error>;

    /// Deletes a key that still has the version `expected`.
    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error>;

    /// What becomes of keys that begin with `prefix`, from now on.
    async fn watch(&self, prefix: &str) -> Result<Watch, Error>;

    /// Takes the leadership: the term after the latest, or after `floor` if that is higher (a store put back from a backup has to begin above
    /// all that agents have seen).
    async fn campaign(&self, holder: &str, floor: Term) -> Result<Leadership, Error>;

    /// Asks the store itself whether this leadership is still the present one.
    async fn confirm(&self, fence: &Fence) -> Result<(), Error>;

    /// The latest leadership that the store knows of.
    async fn high_water(&self) -> Result<HighWater, Error>;
}
