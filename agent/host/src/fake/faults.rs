//! Failures on demand: the n-th call of a kind fails before or after its effect, comes late, or never returns.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::Error;

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails and does nothing.
    Fail,
    /// It does what it should, and fails: a lost acknowledgement.
    FailAfter,
    /// It comes late.
    Delay(Duration),
    /// It never does anything, and never returns: drop the caller.
    HangBefore,
    /// It does what it should, and never returns.
    HangAfter,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    waiting: Mutex<BTreeMap<String, Vec<(u64, Fault)>>>,
    hung: Notify,
}

impl Faults {
    pub(super) fn inject(&self, call: &str, nth: u64, fault: Fault) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.entry(call.to_owned()).or_default().push((nth.max(1), fault));
    }

    pub(super) async fn hung(&self) {
        self.hung.notified().await;
    }

    fn due(&self, call: &str) -> Option<Fault> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let list = waiting.get_mut(call)?;
        for (left, _) in list.iter_mut() {
            *left -= 1;
        }
        let at = list.iter().position(|(left, _)| *left == 0)?;
        Some(list.remove(at).1)
    }

    pub(super) async fn before(&self, call: &str) -> Result<Option<Fault>, Error> {
        let fault = self.due(call);
        match fault {
            Some(Fault::Fail) => return Err(injected(call)),
            Some(Fault::Delay(by)) => tokio::time::sleep(by).await,
            Some(Fault::HangBefore) => self.hang().await,
            _ => {}
        }
        Ok(fault)
    }

    pub(super) async fn after(&self, call: &str, fault: Option<Fault>) -> Result<(), Error> {
        match fault {
            Some(Fault::FailAfter) => Err(injected(call)),
            Some(Fault::HangAfter) => {
                self.hang().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn hang(&self) {
        self.hung.notify_one();
        std::future::pending::<()>().await;
    }
}

fn injected(call: &str) -> Error {
    Error::io(format!("{call} (injected)"))(std::io::Error::other("injected fault"))
}
