//! Journals: what one append adds is one value, and the run's first and last entry are another, by which the next append knows where it stands.

use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, SortOrder, SortTarget, TxnOp};
use serde::{Deserialize, Serialize};
use slipway_events::{Entry, Event};
use slipway_flow::journal::{hash_of, link, verify};
use slipway_flow::{Line, RunHead};
use slipway_types::{Fence, RunId};

use super::keys::{self, Order, check_run};
use super::{Etcd, seat};
use crate::memory::out_of_order;
use crate::{Error, MOST_LISTED};

/// Appends of one answer, and heads of one transaction.
const PAGE: usize = 64;

#[derive(Serialize, Deserialize)]
struct Head {
    first: Entry,
    last: Entry,
    /// Of the last entry.
    hash: String,
}

fn whole<T: serde::de::DeserializeOwned>(what: &str, found: &KeyValue) -> Result<T, Error> {
    serde_json::from_slice(found.value()).map_err(|error| Error::Corrupt(format!("{what} cannot be read: {error}")))
}

fn head_of(found: &KeyValue) -> Result<Head, Error> {
    let head: Head = whole("the head of a run", found)?;
    if hash_of(&head.last) == head.hash {
        Ok(head)
    } else {
        Err(Error::Corrupt(format!("the last entry of run {} is not what was written", head.last.run)))
    }
}

fn written(what: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(what).map_err(|error| Error::Refused(format!("appending to a journal: {error}")))
}

impl Etcd {
    pub(super) async fn add(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, Error> {
        check_run(run)?;
        self.somebody(fence).await?;
        let place = keys::head(run);
        let found = self.peers.get("reading a journal", place.as_str(), GetOptions::new()).await?;
        let revision = found.kvs().first().map(KeyValue::mod_revision).unwrap_or_default();
        let head = found.kvs().first().map(head_of).transpose()?;
        let count = head.as_ref().map_or(0, |head| head.last.seq);
        if count != after {
            // Whoever does not lead any more hears that first.
            self.leader().await?.0.admit(fence)?;
            return Err(out_of_order(run, after, count));
        }
        let entries = link(run, head.as_ref().map(|head| &head.last), lines, fence);
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(entries) };
        let beginning = head.map_or_else(|| first.clone(), |head| head.first);
        let (planned_ms, hash) = (beginning.at_ms, hash_of(last));
        let ended = entries.iter().any(|entry| matches!(entry.event, Event::Finished { .. }));
        let mut then = vec![
            TxnOp::put(keys::chunk(run, first.seq), written(&entries)?, None),
            TxnOp::put(
                place.as_str(),
                written(&Head { first: beginning, last: last.clone(), hash: hash.clone() })?,
                None,
            ),
        ];
        if after == 0 {
            then.push(TxnOp::put(Order::All.key(planned_ms, run), "", None));
        }
        let open = Order::Open.key(planned_ms, run);
        match (ended, after) {
            (true, _) => then.push(TxnOp::delete(open, None)),
            (false, 0) => then.push(TxnOp::put(open, "", None)),
            _ => {}
        }
        let when = vec![seat::still(fence), Compare::mod_revision(place.as_str(), CompareOp::Equal, revision)];
        let look = vec![seat::look(), TxnOp::get(place.as_str(), None)];
        let sent = self.transact("appending to a journal", when, then, look).await?;
        if sent.succeeded {
            return Ok(entries);
        }
        match sent.found_instead(fence)?.map(head_of).transpose()? {
            // The answer to the first attempt was lost.
            Some(now) if sent.doubtful && now.hash == hash => Ok(entries),
            now => Err(out_of_order(run, after, now.map_or(0, |now| now.last.seq))),
        }
    }

    /// A run from another store, as it was: its entries first, and last what makes a run of them.
    pub(super) async fn take_over_run(&self, run: &RunId, entries: &[Entry], fence: &Fence) -> Result<(), Error> {
        check_run(run)?;
        self.somebody(fence).await?;
        let doing = "taking over a run";
        let place = keys::head(run);
        let absent = || vec![seat::still(fence), Compare::create_revision(place.as_str(), CompareOp::Equal, 0)];
        let refused = async || -> Error {
            match self.leader().await.and_then(|(leader, _)| leader.admit(fence)) {
                Err(error) => error,
                Ok(()) => Error::Conflict(format!("run {run} exists already")),
            }
        };
        for some in entries.chunks(PAGE) {
            let seq = some.first().map_or(1, |entry| entry.seq);
            let put = vec![TxnOp::put(keys::chunk(run, seq), written(&some)?, None)];
            if !self.transact(doing, absent(), put, Vec::new()).await?.succeeded {
                return Err(refused().await);
            }
        }
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
        let head = Head { first: first.clone(), last: last.clone(), hash: hash_of(last) };
        let mut then = vec![
            TxnOp::put(place.as_str(), written(&head)?, None),
            TxnOp::put(Order::All.key(first.at_ms, run), "", None),
        ];
        if !entries.iter().any(|entry| matches!(entry.event, Event::Finished { .. })) {
            then.push(TxnOp::put(Order::Open.key(first.at_ms, run), "", None));
        }
        let sent = self.transact(doing, absent(), then, Vec::new()).await?;
        // After a lost answer the run is there by our own hand: what is there is compared by whoever moves it.
        if sent.succeeded || sent.doubtful { Ok(()) } else { Err(refused().await) }
    }

    /// The entries from `from` on, each checked against the one before it.
    pub(super) async fn entries(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, Error> {
        check_run(run)?;
        let from = from.max(1);
        let before = from.saturating_sub(1).max(1);
        let last_first = GetOptions::new()
            .with_range(keys::chunk(run, before + 1))
            .with_sort(SortTarget::Key, SortOrder::Descend)
            .with_limit(1)
            .with_keys_only();
        let found = self.peers.get("reading a journal", keys::chunk(run, 0), last_first).await?;
        let Some(start) = found.kvs().first().map(|found| found.key().to_vec()) else { return Ok(Vec::new()) };
        let mut entries = self.chunks(run, start, from.saturating_add(limit as u64)).await?;
        entries.retain(|entry| entry.seq >= before);
        let previous = if from > 1 && !entries.is_empty() { Some(entries.remove(0)) } else { None };
        entries.truncate(limit);
        verify(run, previous.as_ref(), &entries).map_err(|broken| Error::Corrupt(broken.to_string()))?;
        Ok(entries)
    }

    /// What was appended from that key on, up to the entry `until`.
    async fn chunks(&self, run: &RunId, mut from: Vec<u8>, until: u64) -> Result<Vec<Entry>, Error> {
        let end = keys::chunk(run, u64::MAX);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let options = GetOptions::new().with_range(end.as_str()).with_limit(PAGE.cast_signed() as i64);
            let page = self.peers.get("reading a journal", from, options).await?;
            for chunk in page.kvs() {
                entries.extend(whole::<Vec<Entry>>("an append", chunk)?);
            }
            match page.kvs().last() {
                Some(last) if page.more() && entries.last().is_none_or(|entry| entry.seq < until) => {
                    from = [last.key(), &[0]].concat();
                }
                _ => return Ok(entries),
            }
        }
    }

    /// Heads of runs in an order, as many as wanted.
    pub(super) async fn heads(&self, order: Order, newest_first: bool, limit: usize) -> Result<Vec<RunHead>, Error> {
        let limit = limit.min(MOST_LISTED);
        let sort = if newest_first { SortOrder::Descend } else { SortOrder::Ascend };
        let options = GetOptions::new()
            .with_range(keys::beyond(order.prefix()))
            .with_sort(SortTarget::Key, sort)
            .with_limit(i64::try_from(limit).unwrap_or(i64::MAX))
            .with_keys_only();
        if limit == 0 {
            return Ok(Vec::new());
        }
        let found = self.peers.get("listing runs", order.prefix(), options).await?;
        let runs: Vec<RunId> = found.kvs().iter().filter_map(|found| order.run(found.key())).collect();
        let mut heads = Vec::with_capacity(runs.len());
        for some in runs.chunks(PAGE) {
            let gets = some.iter().map(|run| TxnOp::get(keys::head(run), None)).collect();
            let answer = self.transact("listing runs", Vec::new(), gets, Vec::new()).await?;
            for (run, look) in some.iter().zip(&answer.looks) {
                let lost = || Error::Corrupt(format!("run {run} has no entries"));
                let Head { first, last, .. } = head_of(look.kvs().first().ok_or_else(lost)?)?;
                heads.push(RunHead { first, last });
            }
        }
        Ok(heads)
    }
}
