//! Who waits for changes. A watcher that cannot keep up is dropped: its stream ends, and it lists anew. So no slow reader holds up a writer, and
//! no queue grows without a limit.

use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::{Change, Watch};

/// How many changes a watcher may be behind.
pub(crate) const MOST_BEHIND: usize = 1_024;

#[derive(Debug, Default)]
pub(crate) struct Watchers {
    all: Mutex<Vec<(String, mpsc::Sender<Change>)>>,
}

impl Watchers {
    pub(crate) fn add(&self, prefix: &str) -> Watch {
        let (sender, changes) = mpsc::channel(MOST_BEHIND);
        self.all.lock().unwrap_or_else(PoisonError::into_inner).push((prefix.to_owned(), sender));
        Watch { changes }
    }

    pub(crate) fn tell(&self, change: &Change) {
        let key = match change {
            Change::Put(record) => &record.key,
            Change::Deleted { key } => key,
        };
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(
            |(prefix, sender)| {
                if key.starts_with(prefix) { sender.try_send(change.clone()).is_ok() } else { !sender.is_closed() }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_that_falls_behind_is_told_by_the_end_of_its_stream() {
        let watchers = Watchers::default();
        let mut watch = watchers.add("a/");
        for index in 0..=MOST_BEHIND {
            watchers.tell(&Change::Deleted { key: format!("a/{index}") });
        }
        for _ in 0..MOST_BEHIND {
            assert!(watch.next().await.is_some());
        }
        assert_eq!(watch.next().await, None);
    }
}
