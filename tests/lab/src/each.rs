//! The same for several hosts at once: they are many, and most of what is done to them is waiting.

use std::thread;

use anyhow::{Context as _, Result, anyhow};

use crate::host::Host;

/// Does it for every host in a thread of its own; the first error names its host.
pub(crate) fn each(hosts: &[Host], work: impl Fn(&Host) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let running: Vec<_> = hosts.iter().map(|host| (host.name(), scope.spawn(|| work(host)))).collect();
        let ended: Vec<_> = running
            .into_iter()
            .map(|(name, thread)| {
                let result = thread.join().unwrap_or_else(|_| Err(anyhow!("its thread panicked")));
                result.with_context(|| name.to_owned())
            })
            .collect();
        ended.into_iter().collect()
    })
}
