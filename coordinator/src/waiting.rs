//! What a coordinator does until it leads: it opens the store, waits until nobody leads, and meanwhile answers whoever asks with how things stand. A
//! store of which no majority answers is waited for like a leader's end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use slipway_coordinator::settings::Settings;
use slipway_coordinator::standby::{LeaderSeen, standby_routes};
use slipway_errors::{Code, Coded};
use slipway_store::{Attendant, Store, refuse_half_moved};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::own::{self, Own};
use crate::serve::{audit, door, renew};

/// Before the store is asked again that did not answer.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// For so long one that gave up its leadership lets others take it.
const OTHERS_FIRST: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A coordinator that does not lead.
pub(crate) struct Waiting {
    seen: LeaderSeen,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Waiting {
    /// Answers on the port from now on, where several may share the store. One that is alone has nobody to point at, and is up once it leads.
    pub(crate) async fn begin(settings: &Settings, own: &Own) -> Result<Self, Coded> {
        let (seen, stop, tasks) = (LeaderSeen::default(), CancellationToken::new(), TaskTracker::new());
        if settings.may_be_several() {
            tasks.spawn(renew(own.identity.clone(), settings.state_dir.clone(), own.clock.clone(), stop.clone()));
            let (door, listener) = (door(own, audit(settings)?), bind(settings).await?);
            let gate = door.gate();
            tasks.spawn(slipway_net::serve(listener, door, gate, standby_routes(&seen), stop.clone()));
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        }
        Ok(Self { seen, stop, tasks })
    }

    /// The store of the settings, opened as soon as it answers.
    pub(crate) async fn open(&self, settings: &Settings, own: &Own) -> Result<Arc<dyn Store>, Coded> {
        let store = self.as_soon_as_it_answers(|| own::open(settings, own, &settings.store)).await?;
        self.as_soon_as_it_answers(|| refuse_half_moved(store.as_ref())).await?;
        store.attend(Attendant {
            coordinator: own.cluster.coordinator.clone(),
            address: own.cluster.address.clone(),
            machine_id: own::machine_id().unwrap_or_default(),
        });
        Ok(store)
    }

    /// Waits until nobody leads; true: somebody did.
    pub(crate) async fn for_vacancy(&self, store: &Arc<dyn Store>) -> Result<bool, Coded> {
        let Some(leader) = self.as_soon_as_it_answers(|| store.presence()).await? else { return Ok(false) };
        tracing::info!(leader = %leader.holder, at = %leader.address, "standing by");
        let looking = self.tasks.spawn(self.seen.clone().follow(store.clone(), self.stop.clone()));
        let vacant = self.as_soon_as_it_answers(|| store.vacancy()).await;
        looking.abort();
        vacant.map(|()| true)
    }

    /// Lets another one take the leadership that this one has given up; if none does, it may lead again.
    pub(crate) async fn let_others_first(&self, store: &Arc<dyn Store>) {
        let taken = async {
            loop {
                match store.presence().await {
                    Ok(Some(_)) => return,
                    Ok(None) => tokio::time::sleep(LOOK_AGAIN).await,
                    Err(error) => return self.seen.store_is_no_help(error.coded()),
                }
            }
        };
        if tokio::time::timeout(OTHERS_FIRST, taken).await.is_err() {
            tracing::warn!("no other coordinator has taken the leadership");
        }
    }

    /// Asks until an answer comes; whoever asks here meanwhile is told why there is none.
    async fn as_soon_as_it_answers<T, E: Into<Coded>, F>(&self, ask: impl Fn() -> F) -> Result<T, Coded>
    where
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match ask().await.map_err(Into::into) {
                Err(error) if error.code == Code::STORE_AWAY => self.seen.store_is_no_help(error),
                other => return other,
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// It goes on waiting, since that was in its way.
    pub(crate) async fn again(&self, why: Coded) {
        if why.code == Code::STORE_CONFLICT {
            tracing::info!(%why, "another coordinator came first");
            return;
        }
        self.seen.store_is_no_help(why);
        tokio::time::sleep(ASK_AGAIN).await;
    }

    /// It leads, or has been told to stop. Calls under way go to their end.
    pub(crate) fn end(self) {
        self.stop.cancel();
    }
}

/// The port may be held for a moment by what was served on it before.
pub(crate) async fn bind(settings: &Settings) -> Result<tokio::net::TcpListener, Coded> {
    const TRIES: u32 = 20;
    let address = settings.listen.to_string();
    for _ in 1..TRIES {
        if let Ok(listener) = slipway_net::bind(&address).await {
            return Ok(listener);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    slipway_net::bind(&address).await
}
