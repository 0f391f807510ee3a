//! A coordinator that does not lead: it waits until nobody does, and meanwhile answers whoever asks with where the leader is, or why there is none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_proto::status::{LEADER, to_status, to_status_with};
use slipway_store::{Presence, Store};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

/// Between two looks at who leads, for those who ask.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is known here of who leads.
#[derive(Debug, Clone, Default)]
enum Known {
    /// The store has not been asked yet.
    #[default]
    Nothing,
    Nobody,
    Leader(Presence),
    /// The store does not answer, or takes nothing: then nobody can begin to lead.
    NoHelp(Coded),
}

/// Who leads, as far as it is known here.
#[derive(Debug, Clone, Default)]
pub struct LeaderSeen(Arc<Mutex<Known>>);

impl LeaderSeen {
    /// Looks again and again.
    pub async fn follow(self, store: Arc<dyn Store>, stop: CancellationToken) {
        while let Some(seen) = stop.run_until_cancelled(store.presence()).await {
            match seen {
                Ok(Some(leader)) => self.set(Known::Leader(leader)),
                Ok(None) => self.set(Known::Nobody),
                Err(error) => self.store_is_no_help(error.coded()),
            }
            stop.run_until_cancelled(tokio::time::sleep(LOOK_AGAIN)).await;
        }
    }

    /// The store does not answer, or takes nothing, and that is why.
    pub fn store_is_no_help(&self, why: Coded) {
        tracing::warn!(%why, "who leads is not known");
        self.set(Known::NoHelp(why));
    }

    fn set(&self, known: Known) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// What whoever asks here is told.
    fn answer(&self) -> tonic::Status {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let nobody = |what: &str| {
            let error = Coded::new(Code::LEADER_ELSEWHERE, what).do_this("ask again in a few seconds");
            to_status(tonic::Code::Unavailable, &error)
        };
        match known {
            Known::Nothing => nobody("this coordinator does not lead, and does not know yet who does"),
            Known::Nobody => nobody("no coordinator leads at the moment"),
            Known::NoHelp(why) => to_status(tonic::Code::Unavailable, &why),
            Known::Leader(leader) => {
                let text = format!("this coordinator does not lead; {} does, at {}", leader.holder, leader.address);
                let error = Coded::new(Code::LEADER_ELSEWHERE, text).do_this(
                    "ask the leader; slipway does so by itself where its configuration names all coordinators",
                );
                to_status_with(tonic::Code::Unavailable, &error, &[(LEADER, &leader.address)])
            }
        }
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
    fn whoever_asks_is_told_where_the_leader_is_or_why_there_is_none() {
        let leader = LeaderSeen::default();
        assert_eq!(from_status(&leader.answer()).code, Code::LEADER_ELSEWHERE);
        assert_eq!(leader_in(&leader.answer()), None);
        let presence = Presence { term: Term(3), holder: "c2/x".into(), address: "10.0.0.2:7400".into() };
        leader.set(Known::Leader(presence));
        assert_eq!(leader_in(&leader.answer()).as_deref(), Some("10.0.0.2:7400"));
        leader.store_is_no_help(Coded::new(Code::STORE_AWAY, "10.0.0.2:7410: no answer within 2 s"));
        let told = from_status(&leader.answer());
        assert_eq!(told.code, Code::STORE_AWAY);
        assert!(told.message.contains("10.0.0.2:7410"), "{told}");
        assert_eq!(leader_in(&leader.answer()), None);
    }
}
