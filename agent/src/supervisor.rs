//! What the agent tells systemd: that it is up, that it lives, that it ends. Without systemd all of it is silence.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells that the agent is up, and with which fence.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that it ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Gives a sign of life as often as systemd wants one. It comes from the reactor: what hangs on a disk does not stop it, because killing the
/// agent would not free the disk.
pub async fn signs_of_life() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    loop {
        ticks.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
