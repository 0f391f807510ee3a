//! Limits of this machine's kernel that all hosts share. By default they are meant for one machine, and a host that meets them fails in strange
//! ways: a kubelet that cannot watch its cgroups, a kube-proxy that cannot watch its configuration.

use std::fs;

use anyhow::{Context as _, Result};

const WATCHERS: &str = "/proc/sys/fs/inotify/max_user_instances";
/// For each host some fifty; there may be several labs.
const ENOUGH: u32 = 2048;

/// Raises what is too low. It stays so until the machine boots again.
pub(crate) fn raise() -> Result<()> {
    let text = fs::read_to_string(WATCHERS).with_context(|| format!("read {WATCHERS}"))?;
    if text.trim().parse::<u32>().is_ok_and(|limit| limit >= ENOUGH) {
        return Ok(());
    }
    fs::write(WATCHERS, ENOUGH.to_string()).with_context(|| format!("raise {WATCHERS}"))
}
