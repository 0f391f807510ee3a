//! The other coordinators: whether there may be any, who of them is there, and giving up the leadership to one of them before this host is touched.

use std::sync::Arc;

use slipway_errors::Coded;
use slipway_store::{Admission, Attendant, Store, StoreMember};
use tokio_util::sync::CancellationToken;

/// The coordinators of this cluster, as the one that leads sees them.
pub struct Fellows {
    store: Arc<dyn Store>,
    me: Attendant,
    several: bool,
    handing_over: CancellationToken,
}

impl Fellows {
    /// Those who share that store with this coordinator; `several`: it is a store that can be shared.
    pub fn new(store: Arc<dyn Store>, me: Attendant, several: bool) -> Self {
        Self { store, me, several, handing_over: CancellationToken::new() }
    }

    /// Whether the store is one that several coordinators can share.
    pub fn may_be_several(&self) -> bool {
        self.several
    }

    /// Whether this coordinator runs on that machine.
    pub fn runs_on(&self, machine_id: &str) -> bool {
        !machine_id.is_empty() && self.me.machine_id == machine_id
    }

    /// All that are there, this one too.
    pub async fn all(&self) -> Result<Vec<Attendant>, Coded> {
        Ok(self.store.attendants().await?)
    }

    /// Those that could lead in this one's place.
    pub async fn others(&self) -> Result<Vec<Attendant>, Coded> {
        Ok(self.all().await?.into_iter().filter(|one| one.coordinator != self.me.coordinator).collect())
    }

    /// How the members of the store that they share are; none where it has no members.
    pub async fn members_of_store(&self) -> Vec<StoreMember> {
        self.store.members().await
    }

    /// Whether a member of that store is on the host of this address.
    pub async fn has_member_at(&self, address: &str) -> Result<bool, Coded> {
        Ok(self.store.has_member_at(address).await?)
    }

    /// Whether that member has a vote.
    pub async fn votes_at(&self, address: &str) -> Result<bool, Coded> {
        Ok(self.store.votes_at(address).await?)
    }

    /// A member is let in that answers others there, and gets its vote as soon as it has caught up: called again until it has.
    pub async fn admit_member(&self, peer_url: &str) -> Result<Admission, Coded> {
        Ok(self.store.admit_member(peer_url).await?)
    }

    /// That member leaves; refused where those that are left and answer would be no majority.
    pub async fn dismiss_member(&self, address: &str) -> Result<(), Coded> {
        Ok(self.store.dismiss_member(address).await?)
    }

    /// Gives up the leadership; whatever is under way here is cut off, and the next leader asks the world what became of it.
    pub fn hand_over(&self) {
        self.handing_over.cancel();
    }

    /// Waits until the leadership is to be given up.
    pub async fn handing_over(&self) {
        self.handing_over.cancelled().await;
    }
}
