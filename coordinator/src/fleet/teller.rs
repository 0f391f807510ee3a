//! Says in the log when a host falls silent and when it is heard again: screens show how it is just now, and afterwards somebody wants to know
//! since when.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_types::HostId;
use tokio_util::sync::CancellationToken;

use super::{Fleet, Hearing};

/// Between two looks; no change is told later than that.
const LOOK: Duration = Duration::from_millis(250);

/// How a host is heard, and in words why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its name, as far as it told it.
    pub name: String,
    /// Whether its agent is at work.
    pub hearing: Hearing,
    /// Why it cannot be heard, where that is known.
    pub says: String,
}

/// Runs until `stop`.
pub(super) async fn tell(fleet: Fleet, stop: CancellationToken) {
    let mut told = BTreeMap::new();
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        for (id, now) in news(&mut told, fleet.hearings()) {
            let (host, name, why) = (id.as_str(), now.name, now.says);
            match now.hearing {
                Hearing::Heard => tracing::info!(host, name, "the agent is heard again"),
                Hearing::Suspect => tracing::warn!(host, name, why, "the agent is not heard: it may be gone"),
                Hearing::Down => tracing::warn!(host, name, why, "the agent is down, or cannot be reached"),
            }
        }
    }
}

/// What differs from what was told. That a host is heard is no news where nothing was told of it.
fn news(told: &mut BTreeMap<HostId, Hearing>, now: BTreeMap<HostId, Heard>) -> Vec<(HostId, Heard)> {
    told.retain(|id, _| now.contains_key(id));
    let mut is_news = |id: &HostId, now: Hearing| match told.insert(id.clone(), now) {
        Some(before) => before != now,
        None => now != Hearing::Heard,
    };
    now.into_iter().filter(|(id, heard)| is_news(id, heard.hearing)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_told_and_a_host_that_is_heard_from_the_first_is_no_news() {
        let mut told = BTreeMap::new();
        let mut tell = |hearings: &[(&str, Hearing)]| {
            let heard = |hearing| Heard { name: String::new(), hearing, says: String::new() };
            let now = hearings.iter().map(|(id, hearing)| (HostId::from(*id), heard(*hearing))).collect();
            news(&mut told, now).into_iter().map(|(id, heard)| (id.0, heard.hearing)).collect::<Vec<_>>()
        };
        let down = || ("h1".to_owned(), Hearing::Down);
        assert_eq!(tell(&[("h1", Hearing::Heard), ("h2", Hearing::Suspect)]), [("h2".to_owned(), Hearing::Suspect)]);
        assert_eq!(tell(&[("h1", Hearing::Down), ("h2", Hearing::Suspect)]), [down()]);
        assert_eq!(tell(&[("h1", Hearing::Heard)]), [("h1".to_owned(), Hearing::Heard)]);
        assert_eq!(tell(&[]), []);
        assert_eq!(tell(&[("h1", Hearing::Down)]), [down()], "one that was forgotten is a new one");
    }
}
