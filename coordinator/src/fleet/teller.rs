//! Says in the log when a host falls silent and when it is heard again: screens show how it is just now, and afterwards somebody wants to know
//! since when.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{Fleet, Hearing};

/// Between two looks; no change is told later than that.
const LOOK: Duration = Duration::from_millis(250);

/// Runs until `stop`.
pub(super) async fn tell(fleet: Fleet, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for news in fleet.news() {
            let (host, name, why) = (news.host.as_str(), news.name, news.says);
            match news.hearing {
                Hearing::Heard => tracing::info!(host, name, "the agent is heard again"),
                Hearing::Suspect => tracing::warn!(host, name, why, "the agent is not heard: it may be gone"),
                Hearing::Down => tracing::warn!(host, name, why, "the agent is down, or cannot be reached"),
            }
        }
    }
}
