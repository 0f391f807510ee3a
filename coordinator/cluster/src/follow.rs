//! A collection kept up to date: list, then watch, for ever. A broken watch is taken up again where it broke; one that is too old begins with a
//! new list. Nothing is hidden: trouble is an item of the stream, so that whoever waits can say why.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use serde::de::DeserializeOwned;

use crate::{ClusterApi, Error, status};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A watch ends by itself after this; a shorter life bounds how long a connection that died without a word can deceive us.
const WATCH_SECONDS: u32 = 60;
const WATCH_STALLS: Duration = Duration::from_secs(75);

/// What happened to the collection.
#[derive(Debug)]
pub(crate) enum Seen<K> {
    /// All there is: what is not in it is gone.
    All(Vec<K>),
    /// One is new or has changed.
    Changed(K),
    /// One is gone.
    Gone(K),
    /// The API server does not answer as it should; the stream goes on trying.
    Trouble(Error),
}

type Events<K> = Pin<Box<dyn Stream<Item = kube::Result<WatchEvent<K>>> + Send>>;

enum Stage<K> {
    List,
    Watch(String),
    Events(String, Events<K>),
}

struct Follower<K> {
    cluster: ClusterApi,
    api: kube::Api<K>,
    fields: Option<String>,
    doing: String,
    stage: Stage<K>,
    failures: u32,
}

/// Follows the objects that a field selector matches, or all. `doing` names it in errors, such as "watch the pods of w2".
pub(crate) fn follow<K>(
    cluster: &ClusterApi,
    api: kube::Api<K>,
    fields: Option<String>,
    doing: &str,
) -> impl Stream<Item = Seen<K>> + use<K>
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    let follower =
        Follower { cluster: cluster.clone(), api, fields, doing: doing.to_owned(), stage: Stage::List, failures: 0 };
    futures::stream::unfold(follower, |mut follower| async move { Some((follower.next().await, follower)) })
}

impl<K> Follower<K>
where
    K: kube::Resource + Clone + DeserializeOwned + std::fmt::Debug + Send + 'static,
{
    async fn next(&mut self) -> Seen<K> {
        loop {
            if self.failures > 0 {
                tokio::time::sleep(pause(self.failures)).await;
            }
            let result = match std::mem::replace(&mut self.stage, Stage::List) {
                Stage::List => self.list().await.map(Some),
                Stage::Watch(version) => self.watch(version).await.map(|()| None),
                Stage::Events(version, events) => self.event(version, events).await,
            };
            match result {
                Ok(Some(seen)) => return seen,
                Ok(None) => {}
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    return Seen::Trouble(error);
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Seen<K>, Error> {
        let params = ListParams { field_selector: self.fields.clone(), ..ListParams::default() };
        let list = self.cluster.call(&self.doing, self.api.list(&params)).await?;
        self.failures = 0;
        self.stage = Stage::Watch(list.metadata.resource_version.unwrap_or_default());
        Ok(Seen::All(list.items))
    }

    async fn watch(&mut self, version: String) -> Result<(), Error> {
        let params =
            WatchParams { field_selector: self.fields.clone(), ..WatchParams::default() }.timeout(WATCH_SECONDS);
        // What refuses a watch may be the age of its version: after any failure a list comes next, the one way on that is always right.
        let events = self.cluster.call(&self.doing, self.api.watch(&params, &version)).await?;
        self.stage = Stage::Events(version, Box::pin(events));
        Ok(())
    }

    /// One event of an open watch. `None` means: look at the new stage.
    async fn event(&mut self, version: String, mut events: Events<K>) -> Result<Option<Seen<K>>, Error> {
        let next = tokio::time::timeout(WATCH_STALLS, events.next()).await;
        let (seen, version) = match next {
            // Its time was up, or it stalled: another watch goes on from here.
            Err(_) | Ok(None) => {
                self.stage = Stage::Watch(version);
                return Ok(None);
            }
            Ok(Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)))) => {
                let version = version_of(&object).unwrap_or(version);
                (Some(Seen::Changed(object)), version)
            }
            Ok(Some(Ok(WatchEvent::Deleted(object)))) => {
                let version = version_of(&object).unwrap_or(version);
                (Some(Seen::Gone(object)), version)
            }
            Ok(Some(Ok(WatchEvent::Bookmark(mark)))) => (None, mark.metadata.resource_version),
            Ok(Some(Ok(WatchEvent::Error(status)) | Err(kube::Error::Api(status)))) => {
                return self.ended(version, &status);
            }
            Ok(Some(Err(error))) => {
                self.stage = Stage::Watch(version);
                return Err(status::sort(&self.doing, error));
            }
        };
        self.failures = 0;
        self.stage = Stage::Events(version, events);
        Ok(seen)
    }

    /// The server ended the watch. "Gone" is no trouble: it asks for a new list.
    fn ended(&mut self, version: String, status: &Status) -> Result<Option<Seen<K>>, Error> {
        if status.code == 410 {
            self.stage = Stage::List;
            return Ok(None);
        }
        self.stage = Stage::Watch(version);
        Err(status::sort_status(&self.doing, status))
    }
}

fn version_of<K: kube::Resource>(object: &K) -> Option<String> {
    object.meta().resource_version.clone()
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit() {
        assert_eq!(pause(1), FIRST_PAUSE);
        assert_eq!(pause(2), FIRST_PAUSE * 2);
        assert_eq!(pause(40), LONGEST_PAUSE);
    }
}
