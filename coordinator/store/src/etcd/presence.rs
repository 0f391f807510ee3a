//! Whether the leader is at work: a key that lives as long as its lease does. This is the slow net, for a leader that falls silent; a lease of
//! etcd has at least two seconds.

use std::time::Duration;

use etcd_client::{GetOptions, GetResponse, KeyValue, PutOptions, TxnOp, WatchOptions, WatchStream};
use slipway_types::{Clock, Fence};
use tokio_util::sync::CancellationToken;

use super::peers::Peers;
use super::{Etcd, keys, seat};
use crate::signs::{Heard, LEASE, SIGN, STEPS_DOWN, Signs, was_seen_to_end};
use crate::{Error, HighWater, Presence};

/// Between two attempts to watch.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

fn read(found: &KeyValue) -> Result<Presence, Error> {
    serde_json::from_slice(found.value())
        .map_err(|error| Error::Corrupt(format!("the record of the leader at work cannot be read: {error}")))
}

/// What says that the leader is at work, under its lease.
pub(super) fn appears(presence: &Presence, lease: i64) -> TxnOp {
    let value = serde_json::to_vec(presence).unwrap_or_default();
    TxnOp::put(keys::PRESENCE, value, Some(PutOptions::new().with_lease(lease)))
}

/// What says that nobody of an earlier leadership can be at work beside this one.
pub(super) fn settles(fence: &Fence) -> TxnOp {
    TxnOp::put(keys::SETTLED, seat::bytes(fence), None)
}

impl Etcd {
    pub(super) async fn at_work(&self) -> Result<Option<Presence>, Error> {
        let found = self.peers.get("looking for the leader", keys::PRESENCE, GetOptions::new()).await?;
        found.kvs().first().map(read).transpose()
    }

    /// Waits until nobody is at work. Whatever goes wrong with a watch, the look at the key decides.
    pub(super) async fn until_vacant(&self) -> Result<(), Error> {
        loop {
            let found = self.peers.get("looking for the leader", keys::PRESENCE, GetOptions::new()).await?;
            if found.kvs().is_empty() {
                return Ok(());
            }
            let revision = found.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default();
            let options = WatchOptions::new().with_start_revision(revision + 1);
            let watched = match self.peers.watch("watching the leader", keys::PRESENCE, options).await {
                // A change is a reason to look, and so is silence after a while.
                Ok(changes) => tokio::time::timeout(LEASE, changed(changes)).await.unwrap_or(true),
                Err(_) => false,
            };
            if !watched {
                self.peers.turn();
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// The presence goes, if it is still that leadership's, and it is known that its end was seen.
    pub(super) async fn disappear(&self, fence: &Fence) -> Result<(), Error> {
        let over = TxnOp::put(keys::RESIGNED, seat::bytes(fence), None);
        let gone = vec![TxnOp::delete(keys::PRESENCE, None), over];
        self.transact("giving up the leadership", vec![seat::still(fence)], gone, Vec::new()).await.map(|_| ())
    }

    /// Whether somebody has seen the end of that leadership.
    pub(super) async fn is_over(&self, leader: &HighWater) -> Result<bool, Error> {
        let doing = "looking for the leader";
        let look = |key| self.peers.get(doing, key, GetOptions::new());
        let (resigned, settled) = tokio::try_join!(look(keys::RESIGNED), look(keys::SETTLED))?;
        let own = leader.fence();
        let names = |found: &GetResponse| {
            found.kvs().first().is_some_and(|found| found.value() == seat::bytes(&own)).then(|| own.clone())
        };
        Ok(was_seen_to_end(leader, names(&resigned).as_ref(), names(&settled).as_ref()))
    }

    /// Nobody of an earlier leadership can be at work any more.
    pub(super) async fn settle(&self, fence: &Fence) -> Result<(), Error> {
        let put = vec![settles(fence)];
        self.transact("outliving the leadership before", vec![seat::still(fence)], put, Vec::new()).await.map(|_| ())
    }
}

/// Until something has changed; false where the stream has ended before. The first answer says only that the watch has begun.
async fn changed(mut changes: WatchStream) -> bool {
    while let Ok(Some(said)) = changes.message().await {
        if !said.events().is_empty() {
            return true;
        }
        if said.canceled() {
            break;
        }
    }
    false
}

impl Peers {
    /// Gives signs of life until the leadership is lost, by somebody's word or because nobody answers in time.
    pub(super) async fn live(&self, lease: i64, clock: &dyn Clock, lost: CancellationToken) {
        let mut signs = Signs::since(clock.since_boot());
        while !lost.is_cancelled() {
            let asked = clock.since_boot();
            // Members that keep silent are asked one after the other: that takes longer than a leader may wait.
            let heard = match tokio::time::timeout(signs.patience(asked), self.sign(lease)).await {
                Ok(Ok(true)) => Heard::Taken,
                Ok(Ok(false)) => Heard::Gone,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "no sign of life reaches the store");
                    Heard::Nothing
                }
                Err(_) => Heard::Nothing,
            };
            if !signs.heard(heard, asked, clock.since_boot()) {
                if heard != Heard::Gone {
                    tracing::error!("the store has not answered for {} ms: stepping down", STEPS_DOWN.as_millis());
                }
                return lost.cancel();
            }
            let _ = tokio::time::timeout(SIGN, lost.cancelled()).await;
        }
    }
}
