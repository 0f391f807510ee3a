//! How each host was last heard. Silence is shown with its age and decides nothing by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use slipway_cluster::CredentialId;
use slipway_proto::agent::WatchResponse;
use slipway_proto::types::{HostFacts, HostMetrics};
use slipway_types::{Clock, HostId};
use tokio::sync::Notify;

use super::{Hearing, Line};
use crate::settings::Agents;

/// What is known of a host just now.
#[derive(Debug, Clone, Default)]
pub struct HostView {
    /// Boot time of the last heartbeat; none was heard by this coordinator yet.
    pub heard: Option<Duration>,
    /// The latest facts.
    pub facts: Option<HostFacts>,
    /// The latest metrics.
    pub metrics: Option<HostMetrics>,
    /// The agent's journal; if it changes, its open operations are unknown.
    pub journal_id: String,
    /// Why the agent cannot be heard, where it cannot.
    pub says: String,
    /// How the stream of its heartbeats is.
    pub line: Line,
    /// What [`Fleet::news`] gave of it last.
    pub(crate) told: Option<Hearing>,
}

/// That a host is heard in another way than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The host.
    pub host: HostId,
    /// Its name, as far as it told it.
    pub name: String,
    /// Whether its agent is at work.
    pub hearing: Hearing,
    /// Why it cannot be heard, where that is known.
    pub says: String,
}

/// The views of all hosts, shared and cheap to clone.
#[derive(Debug, Clone)]
pub struct Fleet {
    views: Arc<RwLock<BTreeMap<HostId, HostView>>>,
    told: Arc<Notify>,
    clock: Arc<dyn Clock>,
    began: Duration,
    /// Between two beats, and after how much silence a host is down.
    agreed: (Duration, Duration),
}

impl Fleet {
    /// No host heard yet.
    pub fn new(clock: Arc<dyn Clock>, agents: &Agents) -> Self {
        let ms = |ms: u32| Duration::from_millis(ms.into());
        let agreed = (ms(agents.heartbeat_ms), ms(agents.silent_after_ms));
        Self { views: Arc::default(), told: Arc::default(), began: clock.since_boot(), clock, agreed }
    }

    /// Takes a heartbeat in.
    pub fn heard(&self, host: &HostId, beat: WatchResponse) {
        let news = beat.facts.is_some();
        self.change(host, |view, now| {
            view.heard = Some(now);
            view.says.clear();
            view.line = Line::Open;
            view.journal_id = beat.journal_id;
            view.facts = beat.facts.or(view.facts.take());
            view.metrics = beat.metrics.or(view.metrics.take());
        });
        if news {
            self.told.notify_one();
        }
    }

    /// Waits for the next facts of any host. Facts that came since the last wait ended count: one waits, and misses none.
    pub async fn new_facts(&self) {
        self.told.notified().await;
    }

    /// What each host's kubelet speaks with, as the latest facts have it; hosts without facts are not among them.
    pub fn kubelet_credentials(&self) -> BTreeMap<HostId, Option<CredentialId>> {
        let views = self.views.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let of =
            |(id, view): (&HostId, &HostView)| view.facts.as_ref().map(|facts| (id.clone(), kubelet_credential(facts)));
        views.iter().filter_map(of).collect()
    }

    /// Notes why a host cannot be heard, and what became of its stream.
    pub fn silent(&self, host: &HostId, line: Line, says: String) {
        self.change(host, |view, _| (view.says, view.line) = (says, line));
    }

    /// Whether the host's agent is at work.
    pub fn hearing(&self, host: &HostId) -> Hearing {
        self.judge(&self.view(host), self.clock.since_boot())
    }

    /// The hosts of which that is another thing than when this was asked last. That a host is heard is no news where nothing was told of it.
    pub fn news(&self) -> Vec<News> {
        let now = self.clock.since_boot();
        let mut views = self.views.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        let of = |(id, view): (&HostId, &mut HostView)| {
            let hearing = self.judge(view, now);
            let is_news = match view.told.replace(hearing) {
                Some(before) => before != hearing,
                None => hearing != Hearing::Heard,
            };
            is_news.then(|| {
                let name = view.facts.as_ref().map(|facts| facts.hostname.clone()).unwrap_or_default();
                News { host: id.clone(), name, hearing, says: view.says.clone() }
            })
        };
        views.iter_mut().filter_map(of).collect()
    }

    /// Forgets a host that is no more.
    pub fn forget(&self, host: &HostId) {
        self.views.write().unwrap_or_else(std::sync::PoisonError::into_inner).remove(host);
    }

    /// What is known of `host`.
    pub fn view(&self, host: &HostId) -> HostView {
        self.views.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(host).cloned().unwrap_or_default()
    }

    /// How long ago `host` was heard; never by this coordinator gives none.
    pub fn age(&self, host: &HostId) -> Option<Duration> {
        self.view(host).heard.map(|heard| self.clock.since_boot().saturating_sub(heard))
    }

    /// How long ago each host that was ever heard was heard.
    pub fn ages(&self) -> Vec<Duration> {
        let now = self.clock.since_boot();
        let views = self.views.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        views.values().filter_map(|view| view.heard).map(|heard| now.saturating_sub(heard)).collect()
    }

    /// For how long `host` has been silent; one that was never heard counts from when this coordinator began to listen.
    pub fn silence(&self, host: &HostId) -> Duration {
        self.silence_of(&self.view(host), self.clock.since_boot())
    }

    fn judge(&self, view: &HostView, now: Duration) -> Hearing {
        Hearing::judge(self.silence_of(view, now), view.line, self.agreed)
    }

    fn silence_of(&self, view: &HostView, now: Duration) -> Duration {
        now.saturating_sub(view.heard.unwrap_or(self.began))
    }

    fn change(&self, host: &HostId, change: impl FnOnce(&mut HostView, Duration)) {
        let now = self.clock.since_boot();
        change(
            self.views.write().unwrap_or_else(std::sync::PoisonError::into_inner).entry(host.clone()).or_default(),
            now,
        );
    }
}

/// What the kubelet speaks with by these facts. What is no fingerprint is taken for none.
pub fn kubelet_credential(facts: &HostFacts) -> Option<CredentialId> {
    CredentialId::parse(&facts.kubelet_certificate_sha256).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::{ManualClock, Timestamp};

    #[test]
    fn facts_stay_until_newer_ones_come_and_silence_keeps_the_age() {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let fleet = Fleet::new(clock.clone(), &Agents::default());
        let host = HostId::from("h1");
        assert_eq!(fleet.age(&host), None);
        let facts = HostFacts { hostname: "w1".into(), ..Default::default() };
        fleet.heard(&host, WatchResponse { facts: Some(facts), ..Default::default() });
        fleet.heard(&host, WatchResponse { seq: 2, ..Default::default() });
        clock.advance(Duration::from_secs(3));
        fleet.silent(&host, Line::Gone, "connection refused".into());
        assert_eq!(fleet.hearing(&host), Hearing::Down);
        assert_eq!(fleet.view(&host).facts.unwrap().hostname, "w1");
        assert_eq!(fleet.age(&host), Some(Duration::from_secs(3)));
        assert_eq!(fleet.view(&host).says, "connection refused");
        clock.advance(Duration::from_secs(1));
        assert_eq!((fleet.silence(&host).as_secs(), fleet.silence(&"h2".into()).as_secs()), (4, 4));
    }

    #[test]
    fn only_what_changed_is_news_and_a_host_that_is_heard_from_the_first_is_none() {
        let fleet = Fleet::new(Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH)), &Agents::default());
        let news = || fleet.news().into_iter().map(|news| (news.host.0, news.hearing)).collect::<Vec<_>>();
        let (one, other) = (HostId::from("h1"), HostId::from("h2"));
        fleet.heard(&one, WatchResponse::default());
        fleet.silent(&other, Line::Closed, "closed".into());
        assert_eq!(news(), [("h2".to_owned(), Hearing::Suspect)]);
        fleet.silent(&one, Line::Gone, "connection refused".into());
        assert_eq!(news(), [("h1".to_owned(), Hearing::Down)]);
        assert_eq!(news(), []);
        fleet.heard(&one, WatchResponse::default());
        assert_eq!(news(), [("h1".to_owned(), Hearing::Heard)]);
        fleet.forget(&one);
        fleet.silent(&one, Line::Gone, "connection refused".into());
        assert_eq!(news(), [("h1".to_owned(), Hearing::Down)], "one that was forgotten is a new one");
    }
}
