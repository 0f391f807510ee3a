//! A long look at the machine on one thread. A look is made of many small questions to the kernel that each may block; asked one by one, each
//! would wake a thread that may wait, and then the reactor again, a hundred times for one look.

use std::cell::Cell;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::Error;

thread_local! {
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
}

/// Whether what blocks may be done right here.
pub(super) fn may_block() -> bool {
    MAY_BLOCK.get()
}

/// Only this look has the thread to itself: whatever runs on it later came for another reason.
struct Turn;

impl Turn {
    fn begin() -> Self {
        MAY_BLOCK.set(true);
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        MAY_BLOCK.set(false);
    }
}

/// Carries out `look` on a thread that may block, and so without another thread for each of its questions. Dropping the future ends the look
/// as soon as it waits for anything but the kernel.
pub async fn on_one_thread<T: Send + 'static>(look: impl Future<Output = T> + Send + 'static) -> Result<T, Error> {
    let (wanted, mut given_up) = oneshot::channel::<()>();
    let reactor = Handle::current();
    let done = tokio::task::spawn_blocking(move || {
        let _turn = Turn::begin();
        reactor.block_on(async {
            tokio::select! {
                biased;
                _ = &mut given_up => None,
                looked = look => Some(looked),
            }
        })
    })
    .await;
    drop(wanted);
    let failed = |why: String| Error::Unreadable { doing: "looking at the machine".to_owned(), why };
    done.map_err(|error| failed(error.to_string()))?.ok_or_else(|| failed("the look was given up".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linux::blocking;
    use std::thread::{ThreadId, current};

    async fn asked() -> ThreadId {
        blocking("looking at a thread", || Ok(current().id())).await.unwrap()
    }

    #[tokio::test]
    async fn every_question_of_a_look_is_asked_on_the_same_thread_and_no_other_question_is() {
        let here = current().id();
        let look = async { [current().id(), asked().await, asked().await] };
        let [looks, first, second] = on_one_thread(look).await.unwrap();
        assert!(looks != here && looks == first && first == second);
        assert_ne!(asked().await, here, "outside of a look, what blocks has a thread of its own");
        let later = tokio::task::spawn_blocking(may_block).await.unwrap();
        assert!(!later, "the look's thread is like any other when it is over");
    }

    #[tokio::test]
    async fn a_look_can_wait_for_the_reactor() {
        let look = tokio::time::timeout(std::time::Duration::from_millis(1), std::future::pending::<()>());
        assert!(on_one_thread(look).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_look_that_nobody_wants_any_more_ends() {
        let (held, ended) = oneshot::channel::<()>();
        let (begun, begins) = oneshot::channel::<()>();
        let look = async move {
            let _held = held;
            let _ = begun.send(());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            _ = on_one_thread(look) => {}
            _ = begins => {}
        }
        assert!(ended.await.is_err(), "the look goes on for nobody");
    }
}
