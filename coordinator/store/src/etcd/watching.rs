//! Watching records. A watch ends when its reader is too slow or the member goes away: list and watch again.

use etcd_client::{EventType, GetOptions, WatchOptions};
use tokio::sync::mpsc;

use super::{Etcd, keys, records};
use crate::watchers::MOST_BEHIND;
use crate::{Change, Error, Watch};

impl Etcd {
    pub(super) async fn follow(&self, prefix: &str) -> Result<Watch, Error> {
        let doing = "watching records";
        // From the revision of a look on: nothing that is written after this call has returned is missed.
        let now = self.peers.get(doing, keys::LEADER, GetOptions::new()).await?;
        let revision = now.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default();
        let place = keys::record(prefix);
        let options = WatchOptions::new().with_range(keys::beyond(&place)).with_start_revision(revision + 1);
        let mut said = self.peers.watch(doing, place, options).await?;
        let (sender, changes) = mpsc::channel(MOST_BEHIND);
        let closed = self.closed.clone();
        self.tasks.spawn(async move {
            loop {
                let answer = tokio::select! {
                    answer = said.message() => answer,
                    () = closed.cancelled() => return,
                    () = sender.closed() => return,
                };
                let Ok(Some(answer)) = answer else { return };
                let told = answer.events().iter().filter_map(change).try_for_each(|one| sender.try_send(one));
                if told.is_err() || answer.canceled() {
                    return;
                }
            }
        });
        Ok(Watch { changes })
    }
}

fn change(event: &etcd_client::Event) -> Option<Change> {
    let found = event.kv()?;
    match event.event_type() {
        EventType::Put => records::read(found).ok().map(Change::Put),
        EventType::Delete => keys::of_record(found.key()).map(|key| Change::Deleted { key }),
    }
}
