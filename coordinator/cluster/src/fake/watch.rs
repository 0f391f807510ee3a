//! A watch: the changes after a version, one line of JSON each. While it waits it also lets time pass in the fake world, so that nothing else
//! has to drive it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, unfold};
use serde_json::{Value, json};

use super::failure::Failure;
use super::request::ApiRequest;
use super::server::Filter;
use super::world::{Change, World};
use super::{Pulse, Shared};

const DEFAULT_LIFE: Duration = Duration::from_mins(30);
const BOOKMARK_EVERY: Duration = Duration::from_secs(30);
/// Stands for "nothing is due": the pulse wakes the watch earlier.
const LONG: Duration = Duration::from_hours(1);

struct Watch {
    shared: Arc<Shared>,
    pulse: tokio::sync::watch::Receiver<Pulse>,
    cuts: u64,
    filter: Filter,
    api_version: &'static str,
    kind: &'static str,
    version: u64,
    ready: VecDeque<Bytes>,
    bookmarks: bool,
    next_bookmark: Duration,
    ends: Duration,
    over: bool,
}

/// Opens a watch. `first` are lines to send before any change: all there is, where the client gave no version.
pub(super) fn open(
    shared: &Arc<Shared>,
    request: &ApiRequest,
) -> Result<impl Stream<Item = Result<Bytes, std::io::Error>> + use<>, Failure> {
    let filter = Filter::read(request)?;
    let world = shared.lock();
    let (version, ready) = match request.parameter("resourceVersion") {
        "" | "0" => (world.version(), existing(&world, &filter)),
        given => (
            given.parse().map_err(|_| Failure::bad_request(format!("invalid resource version {given:?}")))?,
            VecDeque::new(),
        ),
    };
    drop(world);
    let now = shared.clock.since_boot();
    let life = request.parameter("timeoutSeconds").parse().map_or(DEFAULT_LIFE, Duration::from_secs);
    let pulse = shared.pulse.subscribe();
    let cuts = pulse.borrow().cuts;
    let watch = Watch {
        shared: Arc::clone(shared),
        pulse,
        cuts,
        filter,
        api_version: request.kind.api_version,
        kind: request.kind.name,
        version,
        ready,
        bookmarks: request.parameter("allowWatchBookmarks") == "true",
        next_bookmark: now + BOOKMARK_EVERY,
        ends: now + life,
        over: false,
    };
    Ok(unfold(watch, |mut watch| async move { watch.next().await.map(|line| (line, watch)) }))
}

fn existing(world: &World, filter: &Filter) -> VecDeque<Bytes> {
    world
        .all(filter.resource)
        .into_iter()
        .filter(|object| filter.matches(object))
        .map(|object| line("ADDED", object))
        .collect()
}

fn line(kind: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": kind, "object": object})))
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.over {
                return None;
            }
            if self.pulse.borrow_and_update().cuts != self.cuts {
                self.over = true;
                return Some(Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
            }
            self.shared.change(|_, _| ());
            self.collect();
            let now = self.shared.clock.since_boot();
            if self.ready.is_empty() && now >= self.ends {
                return None;
            }
            self.bookmark(now);
            if self.ready.is_empty() {
                self.wait(now).await;
            }
        }
    }

    fn collect(&mut self) {
        let world = self.shared.lock();
        match world.changes_after(self.version) {
            Ok(changes) => {
                let lines: Vec<Bytes> = changes.filter_map(|change| told(change, &self.filter)).collect();
                self.ready.extend(lines);
                self.version = world.version();
            }
            Err(failure) => {
                self.ready.push_back(line("ERROR", &failure.status()));
                self.over = true;
            }
        }
    }

    fn bookmark(&mut self, now: Duration) {
        if self.bookmarks && now >= self.next_bookmark && self.ready.is_empty() {
            self.next_bookmark = now + BOOKMARK_EVERY;
            let object = json!({
                "apiVersion": self.api_version, "kind": self.kind, "metadata": {"resourceVersion": self.version.to_string()},
            });
            self.ready.push_back(line("BOOKMARK", &object));
        }
    }

    async fn wait(&mut self, now: Duration) {
        let due = self.shared.next_due().unwrap_or(LONG);
        let bookmark = if self.bookmarks { self.next_bookmark.saturating_sub(now) } else { LONG };
        // Never nothing: a clock that stands still must not make this a busy loop.
        let nap = due.min(bookmark).min(self.ends.saturating_sub(now)).max(Duration::from_millis(1));
        tokio::select! {
            biased;
            // The sender lives in the shared state that this watch holds.
            _ = self.pulse.changed() => {}
            () = tokio::time::sleep(nap) => {}
        }
    }
}

/// A change as this watch sees it: an object that came to match was added, one that ceased to match was deleted.
fn told(change: &Change, filter: &Filter) -> Option<Bytes> {
    if change.key.0 != filter.resource {
        return None;
    }
    let seen = |object: &Option<Arc<Value>>| object.clone().filter(|object| filter.matches(object));
    match (seen(&change.before), seen(&change.after)) {
        (None, Some(after)) => Some(line("ADDED", &after)),
        (Some(_), Some(after)) => Some(line("MODIFIED", &after)),
        (Some(before), None) => {
            let mut last = Value::clone(&before);
            last["metadata"]["resourceVersion"] = json!(change.version.to_string());
            Some(line("DELETED", &last))
        }
        (None, None) => None,
    }
}
