//! The guard as a process: look, judge, tell; and start what is down where policy says so.

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;
use slipway_errors::Coded;
use slipway_host::{Active, Host, ServiceState};
use slipway_types::Clock;

use crate::decide::{Guard, Verdict};
use crate::look::{Seen, look};
use crate::restart::Restarts;
use crate::settings::Settings;
use crate::stray::Stray;
use crate::told::Told;

/// systemd's own job for a start may take longer; the next look must not wait for it.
const START: Duration = Duration::from_secs(2);

/// Runs until `stop`. What was said last stays until it expires: a process that follows at once, as after an upgrade, moves no address.
pub async fn run(
    settings: &Settings,
    host: &Host,
    clock: &dyn Clock,
    stop: impl Future<Output = ()>,
) -> Result<(), Coded> {
    let told = Told::at(&settings.run_dir);
    host.files.make_folder(&settings.run_dir, 0o755).await.map_err(|error| error.coded())?;
    let was_well = told.word().was_well(clock.since_boot());
    let mut round = Round::new(settings, host, was_well);
    tracing::info!(vip = settings.vip, name = settings.name, was_well, "the guard looks");
    let mut looks = tokio::time::interval(Duration::from_millis(settings.look_ms.into()));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(stop);
    let mut first = true;
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = looks.tick() => {}
        }
        round.go(clock).await;
        let mut states = vec![NotifyState::Watchdog];
        if std::mem::take(&mut first) {
            states.push(NotifyState::Ready);
        }
        notify(&states);
    }
    notify(&[NotifyState::Stopping]);
    Ok(())
}

struct Round<'a> {
    guard: Guard,
    kubelet: Restarts,
    keepalived: Restarts,
    said: Option<Verdict>,
    /// Why keepalived could not be told.
    untold: Option<String>,
    stray: Stray,
    settings: &'a Settings,
    host: &'a Host,
    told: Told,
}

impl<'a> Round<'a> {
    fn new(settings: &'a Settings, host: &'a Host, was_well: bool) -> Self {
        Self {
            guard: Guard::new(settings.kubelet, settings.api_server, was_well),
            kubelet: Restarts::new(settings.restart_kubelet),
            keepalived: Restarts::new(settings.restart_keepalived),
            said: None,
            untold: None,
            stray: Stray::default(),
            settings,
            host,
            told: Told::at(&settings.run_dir),
        }
    }

    async fn go(&mut self, clock: &dyn Clock) {
        let seen = look(self.host, self.settings.address()).await;
        let now = clock.since_boot();
        let verdict = self.guard.see(now, &seen.sight);
        let keepalived = seen.keepalived.as_ref().map_or("unknown", |unit| unit.active.as_str());
        let told = self.told.tell(self.host, now, &verdict, keepalived).await;
        self.complain(told.err().map(|error| error.coded().to_string()));
        self.say(&verdict);
        self.take_stray_away(&seen).await;
        for (restarts, unit) in [(&mut self.kubelet, &seen.kubelet), (&mut self.keepalived, &seen.keepalived)] {
            if let Some(unit) = unit.as_ref().filter(|unit| restarts.due(now, unit)) {
                start(self.host, unit).await;
            }
        }
    }

    /// Once for each reason.
    fn complain(&mut self, error: Option<String>) {
        if let Some(error) = error.as_ref().filter(|error| self.untold.as_ref() != Some(error)) {
            tracing::error!(error, "keepalived cannot be told, and will hold the master for sick");
        }
        self.untold = error;
    }

    /// A line for every change, and none for the rest.
    fn say(&mut self, verdict: &Verdict) {
        let same = |said: &Verdict| (said.well, said.holds) == (verdict.well, verdict.holds);
        if !self.said.as_ref().is_some_and(same) {
            let status = if verdict.well { "well" } else { "not well" };
            let holds = if verdict.holds { "holds the address" } else { "does not hold the address" };
            tracing::info!(well = verdict.well, holds = verdict.holds, why = verdict.why, "what keepalived is told");
            notify(&[NotifyState::Status(&format!("{status}, {holds}: {}", verdict.why))]);
        }
        self.said = Some(verdict.clone());
    }

    async fn take_stray_away(&mut self, seen: &Seen) {
        let stray = self.stray.see(seen.keepalived.as_ref(), seen.held_by.as_ref());
        let Some((link, address)) = stray else { return };
        tracing::warn!(link, address, "keepalived is down and has left the address behind: it is taken away");
        let taken = tokio::time::timeout(START, self.host.links.delete_address(&link, &address)).await;
        if let Ok(Err(error)) = taken {
            tracing::error!(error = %error.coded(), "the address cannot be taken away");
        }
    }
}

async fn start(host: &Host, unit: &ServiceState) {
    let (name, was): (&str, Active) = (&unit.unit, unit.active);
    tracing::warn!(unit = name, was = was.as_str(), "it is started");
    if let Ok(Err(error)) = tokio::time::timeout(START, host.services.start(name)).await {
        tracing::error!(unit = name, error = %error.coded(), "it cannot be started");
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::KEEPALIVED;
    use crate::settings::tests::three;
    use slipway_host::fake::{FakeHandle, FakeHost, SharedEtcd, preset};
    use slipway_host::{Enablement, Link};
    use slipway_types::ManualClock;
    use std::sync::Arc;

    const VIP: &str = "10.0.0.10/32";

    fn master() -> (Host, FakeHandle, Settings) {
        let clock = Arc::new(slipway_types::SystemClock);
        let (host, machine) = FakeHost::sharing(preset::master("m1"), clock, &SharedEtcd::new());
        machine.change(|state| state.directory("/run/slipway/vip-guard"));
        (host, machine, three())
    }

    fn link(state: &mut slipway_host::fake::State) -> &mut Link {
        state.links.iter_mut().find(|link| link.name == "eth0").unwrap()
    }

    fn keepalived(machine: &FakeHandle, active: Active) {
        machine.change(|state| {
            let comm = "keepalived".to_owned();
            let enablement = Enablement::Enabled;
            let unit = slipway_host::fake::Unit { active, enablement, unmasked: enablement, restarts: false, comm };
            state.units.insert(KEEPALIVED.to_owned(), unit);
        });
    }

    fn has_vip(machine: &FakeHandle) -> bool {
        machine.change(|state| link(state).addresses.iter().any(|address| address == VIP))
    }

    #[tokio::test]
    async fn an_address_that_a_killed_keepalived_left_behind_is_taken_away_and_keepalived_is_started() {
        let ((host, machine, settings), clock) = (master(), ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH));
        let mut round = Round::new(&settings, &host, true);
        keepalived(&machine, Active::Active);
        machine.change(|state| link(state).addresses.push(VIP.into()));
        round.go(&clock).await;
        assert!(has_vip(&machine), "it runs, and the address is its own");
        keepalived(&machine, Active::Failed);
        round.go(&clock).await;
        assert!(!has_vip(&machine), "another master has it by now");
        let state = host.services.state(KEEPALIVED).await.unwrap();
        assert_eq!(state.active, Active::Active, "nobody took it out of the boot");
    }

    #[tokio::test]
    async fn an_address_that_was_lent_by_hand_stays() {
        let ((host, machine, settings), clock) = (master(), ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH));
        let mut round = Round::new(&settings, &host, true);
        keepalived(&machine, Active::Inactive);
        machine.change(|state| link(state).addresses.push(VIP.into()));
        round.go(&clock).await;
        assert!(has_vip(&machine));
        let state = host.services.state(KEEPALIVED).await.unwrap();
        assert_eq!(state.active, Active::Inactive, "somebody stopped it");
    }
}
