//! The store in a small etcd of Slipway's own, for several coordinators: a write names the leadership that it is made under, and etcd compares
//! it in the same transaction. Never the cluster's etcd, which may be the patient.

mod attending;
mod care;
mod failure;
mod journals;
mod keys;
mod members;
mod peers;
mod presence;
mod records;
mod seat;
mod transact;
mod watching;

use std::sync::Arc;

use async_trait::async_trait;
use slipway_events::Entry;
use slipway_flow::{Journal, JournalError, Line, RunHead};
use slipway_types::{Clock, Fence, Lineage, RunId};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::keys::Order;
pub use self::peers::EtcdTls;
use self::peers::Peers;
use self::records::Write;
use self::seat::Won;
use crate::leader::Seat;
use crate::limits::{check_key, check_lines, check_value};
use crate::memory::whole_run;
use crate::{
    Admission, Attendant, Candidate, Error, HighWater, Leadership, MOST_LISTED, Presence, Record, Store, StoreMember,
    Watch,
};

/// A store in etcd.
pub struct Etcd {
    peers: Arc<Peers>,
    clock: Arc<dyn Clock>,
    seat: Seat,
    tasks: TaskTracker,
    closed: CancellationToken,
}

impl Etcd {
    /// Opens the store that lies in the etcd with these members, or makes it, with the lineage `lineage`.
    pub async fn open(
        urls: &[String],
        tls: Option<&EtcdTls>,
        lineage: &Lineage,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Error> {
        let peers = Arc::new(Peers::new(urls, tls).await?);
        let store =
            Self { peers, clock, seat: Seat::default(), tasks: TaskTracker::new(), closed: CancellationToken::new() };
        store.bring_up(lineage).await?;
        Ok(Arc::new(store))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

#[async_trait]
impl Store for Etcd {
    async fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        self.record(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        self.records(prefix).await
    }

    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error> {
        check_key(key)?;
        check_value(&value)?;
        self.write(key, Write::Create(&value), fence).await
    }

    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error> {
        check_value(&value)?;
        self.write(key, Write::Update(&value, expected), fence).await
    }

    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
        self.write(key, Write::Delete(expected), fence).await.map(|_| ())
    }

    async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        self.follow(prefix).await
    }

    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error> {
        let Won { leader: won, revision, lease, before_may_act } = self.swap(candidate).await?;
        let leadership = Leadership { before_may_act, ..self.seat.taken_by(&won) };
        let (peers, clock) = (self.peers.clone(), self.clock.clone());
        let (lost, closed) = (leadership.lost.clone(), self.closed.clone());
        self.tasks.spawn(async move {
            let watched = peers.guard(won, revision, lost.clone());
            let alive = peers.live(lease, clock.as_ref(), lost.clone());
            tokio::select! {
                _ = futures::future::join(watched, alive) => {}
                () = closed.cancelled() => {}
            }
        });
        Ok(leadership)
    }

    async fn presence(&self) -> Result<Option<Presence>, Error> {
        self.at_work().await
    }

    async fn vacancy(&self) -> Result<(), Error> {
        self.until_vacant().await
    }

    async fn resign(&self, fence: &Fence) -> Result<(), Error> {
        self.disappear(fence).await
    }

    async fn settle(&self, fence: &Fence) -> Result<(), Error> {
        Etcd::settle(self, fence).await
    }

    fn attend(&self, who: Attendant) {
        let (peers, closed) = (self.peers.clone(), self.closed.clone());
        self.tasks.spawn(async move { peers.attend(&who, &closed).await });
    }

    async fn attendants(&self) -> Result<Vec<Attendant>, Error> {
        self.who_is_there().await
    }

    async fn members(&self) -> Vec<StoreMember> {
        self.how_members_are().await
    }

    async fn has_member_at(&self, address: &str) -> Result<bool, Error> {
        self.is_member(address).await
    }

    async fn votes_at(&self, address: &str) -> Result<bool, Error> {
        Ok(self.listed().await?.iter().any(|member| !member.is_learner() && care::is_called(member, address)))
    }

    async fn admit_member(&self, peer_url: &str) -> Result<Admission, Error> {
        self.admit_a_step(peer_url).await
    }

    async fn dismiss_member(&self, who: &str) -> Result<(), Error> {
        self.dismiss(who).await
    }

    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error> {
        self.take_over_run(&whole_run(&entries)?, &entries, fence).await
    }

    async fn clear(&self, fence: &Fence) -> Result<(), Error> {
        self.forget_everything(fence).await
    }

    async fn confirm(&self, fence: &Fence) -> Result<(), Error> {
        self.high_water().await?.admit(fence)
    }

    async fn high_water(&self) -> Result<HighWater, Error> {
        self.leader().await.map(|(leader, _)| leader)
    }
}

#[async_trait]
impl Journal for Etcd {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        check_lines(&lines)?;
        Ok(self.add(run, after, lines, fence).await?)
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        Ok(self.entries(run, from, limit).await?)
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads(Order::All, true, limit).await?)
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads(Order::Open, false, MOST_LISTED).await?)
    }
}
