//! A coordinator that does not lead: it waits until nobody does, and meanwhile answers whoever asks with where the leader is.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_proto::status::{LEADER, to_status, to_status_with};
use slipway_store::{Presence, Store};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// Between two looks at who leads, for those who ask.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Who leads, as far as it is known here.
#[derive(Debug, Clone, Default)]
pub struct LeaderSeen(Arc<Mutex<Option<Presence>>>);

impl LeaderSeen {
    /// Looks again and again.
    pub async fn follow(self, store: Arc<dyn Store>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match store.presence().await {
                Ok(seen) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen,
                Err(error) => tracing::warn!(%error, "who leads is not known"),
            }
            stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
        }
    }

    fn seen(&self) -> Option<Presence> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What whoever asks here is told.
    fn answer(&self) -> tonic::Status {
        let Some(leader) = self.seen() else {
            let error = Coded::new(Code::LEADER_ELSEWHERE, "no coordinator leads at the moment");
            return to_status(tonic::Code::Unavailable, &error.do_this("ask again in a few seconds"));
        };
        let text = format!("this coordinator does not lead; {} does, at {}", leader.holder, leader.address);
        let error = Coded::new(Code::LEADER_ELSEWHERE, text)
            .do_this("ask the leader; slipway does so by itself where its configuration names all coordinators");
        to_status_with(tonic::Code::Unavailable, &error, &[(LEADER, &leader.address)])
    }
}

/// Answers every call with where the leader is. Who calls is judged before, as everywhere.
pub fn standby_routes(leader: &LeaderSeen) -> Routes {
    let leader = leader.clone();
    let answer = move || std::future::ready(leader.answer().into_http::<tonic::body::Body>());
    Routes::from(Routes::default().into_axum_router().fallback(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::status::{from_status, leader_in};
    use slipway_types::Term;

    #[test]
    fn whoever_asks_is_told_where_the_leader_is_if_there_is_one() {
        let leader = LeaderSeen::default();
        assert_eq!(from_status(&leader.answer()).code, Code::LEADER_ELSEWHERE);
        assert_eq!(leader_in(&leader.answer()), None);
        let presence = Presence { term: Term(3), holder: "c2/x".into(), address: "10.0.0.2:7400".into() };
        *leader.0.lock().unwrap() = Some(presence);
        assert_eq!(leader_in(&leader.answer()).as_deref(), Some("10.0.0.2:7400"));
    }
}
