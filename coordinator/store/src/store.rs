//! The trait that backends implement and everything else uses.

use async_trait::async_trait;
use slipway_events::Entry;
use slipway_flow::Journal;
use slipway_types::Fence;

use crate::{Admission, Attendant, Candidate, Error, HighWater, Leadership, Presence, Record, StoreMember, Watch};

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

    /// Takes the leadership: the term after the latest, or after the candidate's floor if that is higher. Refused where the candidate comes after a
    /// leadership that is not the latest, or that is at work; both are judged in the same transaction.
    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error>;

    /// The leader that is at work, as far as the store can tell. One that only a single process can have open tells of nobody.
    async fn presence(&self) -> Result<Option<Presence>, Error> {
        Ok(None)
    }

    /// Waits until no leader is at work.
    async fn vacancy(&self) -> Result<(), Error> {
        Ok(())
    }

    /// The leadership of that fence is over, and whoever waits for it need not wait longer. What it has begun stays as it is.
    async fn resign(&self, _fence: &Fence) -> Result<(), Error> {
        Ok(())
    }

    /// Nobody of a leadership before that one can be at work any more: `Leadership::before_may_act` has been waited out.
    async fn settle(&self, _fence: &Fence) -> Result<(), Error> {
        Ok(())
    }

    /// Says that this coordinator is there, for as long as the store is open here. No leadership is needed for it.
    fn attend(&self, _who: Attendant) {}

    /// The coordinators that are there, as far as the store can tell. One that only a single process can have open tells of nobody.
    async fn attendants(&self) -> Result<Vec<Attendant>, Error> {
        Ok(Vec::new())
    }

    /// How its members are; none where it has no members.
    async fn members(&self) -> Vec<StoreMember> {
        Vec::new()
    }

    /// Whether it has a member on the host of that address.
    async fn has_member_at(&self, _address: &str) -> Result<bool, Error> {
        Ok(false)
    }

    /// Whether that member has a vote.
    async fn votes_at(&self, _address: &str) -> Result<bool, Error> {
        Ok(false)
    }

    /// A member that answers others at `peer_url` is let in without a vote, and given one as soon as it has caught up: called again until it has.
    async fn admit_member(&self, peer_url: &str) -> Result<Admission, Error> {
        Err(Error::Refused(format!("{peer_url} cannot be a member of this store: it has none")))
    }

    /// The member of that name, or on the host of that address, leaves; refused where those that are left and answer would be no majority.
    async fn dismiss_member(&self, who: &str) -> Result<(), Error> {
        Err(Error::Refused(format!("{who} is no member of this store: it has none")))
    }

    /// Takes over a run from another store, as it was, with all its entries; refused where there is one of that name.
    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error>;

    /// Deletes all records and all runs, at once. Who leads stays, and revisions go on rising.
    async fn clear(&self, fence: &Fence) -> Result<(), Error>;

    /// Asks the store itself whether this leadership is still the present one.
    async fn confirm(&self, fence: &Fence) -> Result<(), Error>;

    /// The latest leadership that the store knows of.
    async fn high_water(&self) -> Result<HighWater, Error>;
}
