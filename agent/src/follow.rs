//! Following one operation to its end, live or long over: the same kind of stream either way, so that a coordinator that was away needs no
//! second way of asking.

use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use futures::stream::{self, BoxStream, StreamExt};
use slipway_errors::{Code, Coded};
use slipway_proto::agent::{OperationState, WatchOperationResponse};
use slipway_proto::types::Change;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::End;
use crate::operations::Followed;
use crate::progress::{Line, Progress};

/// What a follower gets: sentences, the end, or an error where the agent stops before it.
pub type Following = BoxStream<'static, Result<WatchOperationResponse, Coded>>;

/// The stream of `followed` from the sentence numbered `from_seq` on. The end always comes, whatever the number.
pub fn follow(followed: Followed, from_seq: u64, stopping: CancellationToken) -> Following {
    match followed {
        Followed::Over(seq, end) => stream::iter([Ok(last(seq, end))]).boxed(),
        Followed::Running(progress) => live(progress, from_seq, stopping).boxed(),
    }
}

/// The end of an operation, where it comes within `limit`; none also where the agent stops before.
pub async fn end_within(
    limit: Duration,
    progress: &Arc<Progress>,
    stopping: CancellationToken,
) -> Option<WatchOperationResponse> {
    let told = live(progress.clone(), u64::MAX, stopping);
    let end = tokio::time::timeout(limit, async move { std::pin::pin!(told).next().await });
    end.await.ok()??.ok()
}

struct Place {
    progress: Arc<Progress>,
    woken: watch::Receiver<u64>,
    next: u64,
    waiting: std::collections::VecDeque<WatchOperationResponse>,
    over: bool,
    stopping: CancellationToken,
}

fn live(
    progress: Arc<Progress>,
    from_seq: u64,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<WatchOperationResponse, Coded>> {
    let woken = progress.subscribe();
    let place = Place { progress, woken, next: from_seq, waiting: Default::default(), over: false, stopping };
    stream::unfold(place, |mut place| async move {
        loop {
            if let Some(said) = place.waiting.pop_front() {
                return Some((Ok(said), place));
            }
            if place.over {
                return None;
            }
            place.woken.mark_unchanged();
            place.read();
            if !place.waiting.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                _ = place.woken.changed() => {}
                () = place.stopping.cancelled() => {
                    place.over = true;
                    let error = Coded::new(Code::WIRE_UNREACHABLE, "the agent stops before the operation's end")
                        .do_this("ask again when it is back: the operation is in its journal");
                    return Some((Err(error), place));
                }
            }
        }
    })
}

impl Place {
    fn read(&mut self) {
        let read = self.progress.read(self.next);
        if let Some(line) = read.lines.last() {
            self.next = line.seq + 1;
        }
        self.waiting.extend(read.lines.into_iter().map(sentence));
        if let Some((seq, end)) = read.end {
            self.waiting.push_back(last(seq, end));
            self.over = true;
        }
    }
}

fn sentence(line: Line) -> WatchOperationResponse {
    WatchOperationResponse {
        seq: line.seq,
        state: OperationState::Running.into(),
        says: line.says,
        ..WatchOperationResponse::default()
    }
}

fn last(seq: u64, end: End) -> WatchOperationResponse {
    WatchOperationResponse {
        seq,
        state: end.outcome.on_wire().into(),
        says: end.says,
        changes: end.changes.into_iter().map(Change::from).collect(),
        code: end.code,
        way_out: end.way_out,
        record: end.record,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Outcome;

    fn end() -> End {
        End {
            outcome: Outcome::Failed,
            at_ms: 0,
            says: "it is mounted".into(),
            code: "SLIP-HOST-001".into(),
            way_out: "unmount it".into(),
            changes: vec![],
            record: vec!["proof".into()],
        }
    }

    async fn texts(following: Following) -> Vec<String> {
        following.map(|said| said.map_or_else(|error| error.code.to_string(), |said| said.says)).collect().await
    }

    #[tokio::test]
    async fn what_is_over_is_told_in_one_message() {
        let all: Vec<_> = follow(Followed::Over(9, end()), 100, CancellationToken::new()).collect().await;
        let only = all[0].clone().unwrap();
        assert_eq!((all.len(), only.seq, only.state()), (1, 9, OperationState::Failed));
        assert_eq!((only.code.as_str(), only.way_out.as_str(), only.record.len()), ("SLIP-HOST-001", "unmount it", 1));
    }

    #[tokio::test]
    async fn sentences_come_as_they_are_said_and_then_the_end() {
        let progress = Arc::new(Progress::after_returns(0));
        progress.say("one");
        let mut following = follow(Followed::Running(progress.clone()), 0, CancellationToken::new());
        assert_eq!(following.next().await.unwrap().unwrap().says, "one");
        progress.say("two");
        progress.say("three");
        progress.end(end());
        assert_eq!(texts(following).await, ["two", "three", "it is mounted"]);
    }

    #[tokio::test]
    async fn a_follower_goes_on_where_it_left_off() {
        let progress = Arc::new(Progress::after_returns(0));
        for says in ["one", "two", "three"] {
            progress.say(says);
        }
        progress.end(end());
        let stop = CancellationToken::new();
        assert_eq!(
            texts(follow(Followed::Running(progress.clone()), 3, stop.clone())).await,
            ["three", "it is mounted"]
        );
        assert_eq!(texts(follow(Followed::Running(progress), 99, stop)).await, ["it is mounted"]);
    }

    #[tokio::test]
    async fn a_stopping_agent_ends_the_stream_with_a_reason() {
        let progress = Arc::new(Progress::after_returns(0));
        progress.say("one");
        let stop = CancellationToken::new();
        let mut following = follow(Followed::Running(progress), 0, stop.clone());
        following.next().await.unwrap().unwrap();
        stop.cancel();
        assert_eq!(texts(following).await, ["SLIP-WIRE-003"]);
    }
}
