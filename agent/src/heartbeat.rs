//! The sign of life, and with it what changed. It waits for nothing but its own interval: what hangs on the host shows as figures that stay,
//! not as a host that is gone.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use slipway_errors::{Code, Coded};
use slipway_proto::agent::WatchResponse;
use slipway_proto::types::{HostFacts, HostMetrics};
use tokio::time::{Interval, MissedTickBehavior};

use crate::core::AgentCore;

/// The shortest interval that may be asked for, in milliseconds.
pub const SHORTEST_MS: u32 = 250;
/// The longest.
pub const LONGEST_MS: u32 = 60_000;
const USUAL_MS: u32 = 1_000;
/// The first heartbeat waits that long for the first look at the host.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// The heartbeats of one watcher.
pub type Heartbeats = BoxStream<'static, WatchResponse>;

/// The interval that was asked for.
pub fn interval(asked_ms: u32) -> Result<Duration, Coded> {
    match asked_ms {
        0 => Ok(Duration::from_millis(USUAL_MS.into())),
        SHORTEST_MS..=LONGEST_MS => Ok(Duration::from_millis(asked_ms.into())),
        _ => Err(Coded::new(
            Code::WIRE_BAD_REQUEST,
            format!(
                "a heartbeat each {asked_ms} ms was asked for; {SHORTEST_MS} to {LONGEST_MS} is possible, 0 is {USUAL_MS}"
            ),
        )),
    }
}

struct Beating {
    core: Arc<AgentCore>,
    ticks: Interval,
    seq: u64,
    facts: Option<Arc<HostFacts>>,
    metrics: Option<Arc<HostMetrics>>,
    _counted: Counted,
}

/// A stream that is counted while it lives.
struct Counted(Arc<AgentCore>);

impl Counted {
    fn new(core: &Arc<AgentCore>) -> Self {
        core.streams(1);
        Self(core.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.streams(-1);
    }
}

/// Heartbeats at that interval, the first at once, until the agent stops.
pub fn beat(core: &Arc<AgentCore>, every: Duration) -> Heartbeats {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let beating =
        Beating { core: core.clone(), ticks, seq: 0, facts: None, metrics: None, _counted: Counted::new(core) };
    let stopping = core.stopping();
    stream::unfold(beating, |mut beating| async move { Some((beating.next().await, beating)) })
        .take_until(async move { stopping.cancelled().await })
        .boxed()
}

impl Beating {
    async fn next(&mut self) -> WatchResponse {
        self.ticks.tick().await;
        self.seq += 1;
        let sampler = self.core.sampler();
        let sample = if self.seq == 1 { sampler.first(FIRST_LOOK).await } else { sampler.latest() };
        sampler.ask();
        WatchResponse {
            seq: self.seq,
            at_ms: self.core.now().as_millisecond(),
            facts: changed(&mut self.facts, sample.facts),
            metrics: changed(&mut self.metrics, sample.metrics),
            journal_id: self.core.journal_id().to_owned(),
            open_operation: self.core.seen().open,
        }
    }
}

/// What is new since the last heartbeat.
fn changed<T: PartialEq + Clone>(told: &mut Option<Arc<T>>, latest: Option<Arc<T>>) -> Option<T> {
    if *told == latest {
        return None;
    }
    *told = latest;
    told.as_deref().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_intervals_that_can_be_kept_are_taken() {
        let table = [
            (0, Some(1_000)),
            (1, None),
            (249, None),
            (250, Some(250)),
            (60_000, Some(60_000)),
            (60_001, None),
            (u32::MAX, None),
        ];
        for (asked, want) in table {
            assert_eq!(interval(asked).ok().map(|every| every.as_millis()), want, "{asked}");
        }
    }

    #[test]
    fn only_what_changed_is_told() {
        let mut told = None;
        assert_eq!(changed(&mut told, None::<Arc<u8>>), None);
        assert_eq!(changed(&mut told, Some(Arc::new(1))), Some(1));
        assert_eq!(changed(&mut told, Some(Arc::new(1))), None);
        assert_eq!(changed(&mut told, Some(Arc::new(2))), Some(2));
    }
}
