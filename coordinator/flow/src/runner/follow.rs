//! Following a run: first what the journal has, then what comes, without a gap and without a line twice, also for a slow reader.

use std::collections::VecDeque;
use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_events::{Entry, Event};
use slipway_types::RunId;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::Update;
use crate::Journal;

/// How many lines are read at once.
const PAGE: usize = 500;

/// A run's journal from some line on, and then what follows.
pub struct Follow {
    journal: Arc<dyn Journal>,
    updates: broadcast::Receiver<Update>,
    stop: CancellationToken,
    run: RunId,
    next: u64,
    read: VecDeque<Entry>,
    behind: bool,
    ended: bool,
}

impl Follow {
    pub(super) async fn begin(
        journal: Arc<dyn Journal>,
        (updates, stop): (broadcast::Receiver<Update>, CancellationToken),
        run: RunId,
        from: u64,
    ) -> Result<Self, Coded> {
        let (next, read) = (from.max(1), VecDeque::new());
        let mut follow = Self { journal, updates, stop, run, next, read, behind: true, ended: false };
        follow.catch_up().await?;
        Ok(follow)
    }

    /// The next update; `None` after the run's last line. An error as soon as the runner stops: the run goes on elsewhere, and nothing more of it
    /// is heard here.
    pub async fn next(&mut self) -> Result<Option<Update>, Coded> {
        loop {
            if self.read.is_empty() && self.behind {
                self.catch_up().await?;
            }
            if let Some(entry) = self.read.pop_front() {
                return Ok(Some(self.hand_out(entry)));
            }
            if self.ended {
                return Ok(None);
            }
            let received = tokio::select! {
                received = self.updates.recv() => received,
                () = self.stop.cancelled() => return Err(leads_no_longer()),
            };
            match received {
                Ok(Update::Entry(entry)) if entry.run == self.run => {
                    if entry.seq == self.next {
                        return Ok(Some(self.hand_out(entry)));
                    }
                    self.behind |= entry.seq > self.next;
                }
                Ok(Update::Says { run, step, says }) if run == self.run => {
                    return Ok(Some(Update::Says { run, step, says }));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.behind = true,
                Err(RecvError::Closed) => return Err(leads_no_longer()),
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Coded> {
        let page = self.journal.journal(&self.run, self.next, PAGE).await.map_err(|error| error.coded().clone())?;
        self.behind = page.len() == PAGE;
        self.read.extend(page);
        Ok(())
    }

    fn hand_out(&mut self, entry: Entry) -> Update {
        self.next = entry.seq + 1;
        self.ended = matches!(entry.event, Event::Finished { .. });
        Update::Entry(entry)
    }
}

fn leads_no_longer() -> Coded {
    Coded::new(Code::LEADER_ELSEWHERE, "this coordinator leads no longer").do_this("ask the one that leads")
}
