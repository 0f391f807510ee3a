//! The world, as coordinators hold it: a call is a future that is ready when its answer lies in its slot. There is no other way to wait, so there
//! is no other source of time or order.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use slipway_errors::{Code, Coded};

use crate::message::{Ask, Reply};
use crate::party::Party;
use crate::world::World;

/// One member of the store may take so long for an answer.
const ATTEMPT: Duration = Duration::from_secs(2);
/// So many are asked.
const MEMBERS: usize = 3;

/// The world.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// Puts a world where coordinators reach it.
    pub fn new(world: World) -> Self {
        Self(Arc::new(Mutex::new(world)))
    }

    /// The world, for a moment.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks.
    pub fn ask(&self, from: Party, to: Party, ask: Ask, deadline: Duration) -> Slot {
        let call = self.world().ask(from, to, ask, deadline);
        Slot { shared: self.clone(), call }
    }

    /// Asks the store, again at another member where one is silent, as the product does.
    pub async fn ask_store(&self, from: Party, ask: Ask) -> Reply {
        let mut last = Err(Coded::new(Code::STORE_AWAY, "no majority answers"));
        for _ in 0..MEMBERS {
            last = self.ask(from, Party::Store, ask.clone(), ATTEMPT).await;
            if !matches!(&last, Err(error) if error.code == Code::WIRE_DEADLINE) {
                break;
            }
        }
        last.map_err(|error| {
            let code = if error.code == Code::WIRE_DEADLINE { Code::STORE_AWAY } else { error.code };
            Coded { code, ..error }
        })
    }

    /// Waits.
    pub async fn sleep(&self, time: Duration) {
        let call = self.world().alarm(time);
        drop(Slot { shared: self.clone(), call }.await);
    }
}

/// An answer to come.
pub struct Slot {
    shared: Shared,
    call: u64,
}

impl Future for Slot {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.shared.world().look(self.call, cx.waker()) {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.world().forget(self.call);
    }
}
