//! The record of who leads: changed by compare-and-swap alone, compared by every write, and watched by whoever has won it.

use std::time::Duration;

use etcd_client::{Compare, CompareOp, GetOptions, GetResponse, KeyValue, TxnOp, WatchOptions};
use serde::{Deserialize, Serialize};
use slipway_types::{Fence, Lineage, Term};
use tokio_util::sync::CancellationToken;

use super::peers::Peers;
use super::presence::{appears, settles};
use super::{Etcd, keys};
use crate::leader::same_lineage;
use crate::signs::LEASE;
use crate::{Candidate, Error, HighWater, Presence};

/// So many swaps in a row are lost to others before a campaign gives up.
const ATTEMPTS: usize = 16;
/// Between two attempts to watch.
const WATCH_AGAIN: Duration = Duration::from_millis(250);

/// A leadership that was won.
pub(super) struct Won {
    pub(super) leader: HighWater,
    /// At which it was won, or one before.
    pub(super) revision: i64,
    pub(super) lease: i64,
    pub(super) before_may_act: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    lineage: Lineage,
    term: Term,
    holder: String,
}

/// The bytes of a leadership: the same leadership always has the same.
pub(super) fn bytes(fence: &Fence) -> Vec<u8> {
    let Fence { lineage, term, holder } = fence.clone();
    serde_json::to_vec(&Stored { lineage, term, holder }).unwrap_or_default()
}

/// Holds while nobody else leads.
pub(super) fn still(fence: &Fence) -> Compare {
    Compare::value(keys::LEADER, CompareOp::Equal, bytes(fence))
}

/// The look at the record inside a transaction.
pub(super) fn look() -> TxnOp {
    TxnOp::get(keys::LEADER, None)
}

/// What that look saw.
pub(super) fn seen(answer: &GetResponse) -> Result<HighWater, Error> {
    let lost = || Error::Corrupt("the record of who leads is gone".to_owned());
    read(answer.kvs().first().ok_or_else(lost)?)
}

fn read(found: &KeyValue) -> Result<HighWater, Error> {
    let unreadable = |error| Error::Corrupt(format!("the record of who leads cannot be read: {error}"));
    let Stored { lineage, term, holder } = serde_json::from_slice(found.value()).map_err(unreadable)?;
    Ok(HighWater { lineage, term, holder })
}

impl Etcd {
    /// A new store gets the lineage, one that is there has to have it.
    pub(super) async fn bring_up(&self, lineage: &Lineage) -> Result<(), Error> {
        let doing = "opening the store";
        // One that has no room left takes no write, not even one that would not be made, and can be read.
        if self.peers.get(doing, keys::LEADER, GetOptions::new()).await?.kvs().is_empty() {
            let none = HighWater { lineage: lineage.clone(), term: Term(0), holder: String::new() };
            let absent = Compare::create_revision(keys::LEADER, CompareOp::Equal, 0);
            let make = TxnOp::put(keys::LEADER, bytes(&none.fence()), None);
            self.transact(doing, vec![absent], vec![make], Vec::new()).await?;
        }
        same_lineage(&self.leader().await?.0.lineage, lineage)
    }

    /// Who leads, and the revision at which that was written.
    pub(super) async fn leader(&self) -> Result<(HighWater, i64), Error> {
        let answer = self.peers.get("reading who leads", keys::LEADER, GetOptions::new()).await?;
        let revision = answer.kvs().first().map(KeyValue::mod_revision).unwrap_or_default();
        Ok((seen(&answer)?, revision))
    }

    /// Before the first campaign the record is nobody's: nobody writes under it.
    pub(super) async fn somebody(&self, fence: &Fence) -> Result<(), Error> {
        if fence.term == Term(0) { self.leader().await?.0.admit(fence) } else { Ok(()) }
    }

    /// Takes the leadership by compare-and-swap.
    pub(super) async fn swap(&self, candidate: &Candidate) -> Result<Won, Error> {
        let doing = "taking the leadership";
        for _ in 0..ATTEMPTS {
            let ((leader, revision), at_work) = tokio::try_join!(self.leader(), self.at_work())?;
            let won = leader.next(candidate, at_work.as_ref())?;
            let before_may_act = !self.is_over(&leader).await?;
            let lease = self.peers.grant(doing, LEASE.as_secs().cast_signed()).await?;
            let HighWater { term, holder, .. } = won.clone();
            let presence = Presence { term, holder, address: candidate.address.clone() };
            let mut when = vec![Compare::mod_revision(keys::LEADER, CompareOp::Equal, revision)];
            // Since that look its leader may have come to be seen.
            when.extend(candidate.after.map(|_| Compare::create_revision(keys::PRESENCE, CompareOp::Equal, 0)));
            let mut take = vec![TxnOp::put(keys::LEADER, bytes(&won.fence()), None), appears(&presence, lease)];
            take.extend((!before_may_act).then(|| settles(&won.fence())));
            let sent = self.transact(doing, when, take, vec![look()]).await?;
            if sent.succeeded {
                return Ok(Won { leader: won, revision: sent.revision, lease, before_may_act });
            }
            // The answer to an attempt that won may have been lost: holders' names are never used twice.
            let now = sent.looks.first().map(seen).transpose()?;
            if sent.doubtful && now.as_ref() == Some(&won) {
                return Ok(Won { leader: won, revision, lease, before_may_act });
            }
            self.peers.revoke(doing, lease).await?;
        }
        Err(Error::Conflict(format!("{ATTEMPTS} campaigns of others came first")))
    }
}

impl Peers {
    /// Cancels `lost` as soon as another leadership is recorded. While etcd is away nothing is known, and nothing can be written either.
    pub(super) async fn guard(&self, won: HighWater, mut from: i64, lost: CancellationToken) {
        let own = bytes(&won.fence());
        while !lost.is_cancelled() {
            match self.until_changed(&own, &mut from, &lost).await {
                Ok(true) => return lost.cancel(),
                Ok(false) => self.turn(),
                Err(error) => {
                    tracing::debug!(%error, "the record of who leads cannot be watched");
                    self.turn();
                }
            }
            tokio::select! {
                () = tokio::time::sleep(WATCH_AGAIN) => {}
                () = lost.cancelled() => {}
            }
        }
    }

    /// True once the record is another one; false where the watch ended before.
    async fn until_changed(&self, own: &[u8], from: &mut i64, lost: &CancellationToken) -> Result<bool, Error> {
        let away = |error: etcd_client::Error| Error::Away { doing: "watching who leads", why: error.to_string() };
        let now = self.get("reading who leads", keys::LEADER, GetOptions::new()).await?;
        if now.kvs().first().is_none_or(|found| found.value() != own) {
            return Ok(true);
        }
        let options = WatchOptions::new().with_start_revision(*from + 1);
        let mut changes = self.watch("watching who leads", keys::LEADER, options).await?;
        loop {
            let said = tokio::select! {
                said = changes.message() => said.map_err(away)?,
                () = lost.cancelled() => return Ok(true),
            };
            let Some(said) = said else { return Ok(false) };
            for event in said.events() {
                let Some(found) = event.kv() else { continue };
                *from = found.mod_revision();
                if found.value() != own {
                    return Ok(true);
                }
            }
            if said.canceled() {
                return Ok(false);
            }
        }
    }
}
