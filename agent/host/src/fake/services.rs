//! The fake systemd: jobs that end at once, masks that a unit file of the administrator's own prevents, transient services that go on while
//! nobody watches.

use async_trait::async_trait;

use super::{FakeHost, Node, State, TransientRun, Unit};
use crate::{Active, Enablement, Error, ServiceState, Services, Transient, TransientStatus};

fn mask_path(unit: &str) -> std::path::PathBuf {
    std::path::Path::new("/etc/systemd/system").join(unit)
}

fn is_masked(state: &State, unit: &str) -> bool {
    matches!(state.files.get(&mask_path(unit)), Some(Node::Symlink(to)) if to.as_os_str() == "/dev/null")
}

#[async_trait]
impl Services for FakeHost {
    async fn state(&self, unit: &str) -> Result<ServiceState, Error> {
        self.look("services.state", |state| {
            let known = state.units.get(unit);
            let comm = known.map(|unit| unit.comm.clone());
            let main = state.processes.iter().find(|process| Some(&process.comm) == comm.as_ref());
            Ok(ServiceState {
                unit: unit.to_owned(),
                active: known.map_or(Active::Inactive, |unit| unit.active),
                enablement: known
                    .map_or(if is_masked(state, unit) { Enablement::Masked } else { Enablement::NotFound }, |unit| {
                        unit.enablement
                    }),
                main_pid: main
                    .filter(|_| known.is_some_and(|unit| unit.active == Active::Active))
                    .map(|process| process.pid),
            })
        })
        .await
    }

    async fn stop(&self, unit: &str) -> Result<(), Error> {
        self.act("services.stop", |state| {
            if state.units.get(unit).is_some_and(|unit| !unit.active.is_down()) {
                state.witness(format!("stop {unit}"));
            }
            state.stop_unit(unit);
            Ok(())
        })
        .await
    }

    async fn enable(&self, unit: &str) -> Result<(), Error> {
        self.act("services.enable", |state| {
            startable(state, unit, "enabling")?;
            if let Some(known) = state.units.get_mut(unit)
                && known.enablement == Enablement::Disabled
            {
                known.enablement = Enablement::Enabled;
                state.witness(format!("enable {unit}"));
            }
            Ok(())
        })
        .await
    }

    async fn start(&self, unit: &str) -> Result<(), Error> {
        self.act("services.start", |state| {
            startable(state, unit, "starting")?;
            if state.units.get(unit).is_some_and(|unit| unit.active != Active::Active) {
                state.witness(format!("start {unit}"));
            }
            state.start_unit(unit);
            Ok(())
        })
        .await
    }

    async fn restart(&self, unit: &str) -> Result<(), Error> {
        self.act("services.restart", |state| {
            startable(state, unit, "restarting")?;
            state.witness(format!("restart {unit}{}", state.reads_at_start(unit)));
            state.stop_unit(unit);
            state.start_unit(unit);
            state.restarted(unit)
        })
        .await
    }

    async fn reload(&self, unit: &str) -> Result<(), Error> {
        self.act("services.reload", |state| {
            if state.units.get(unit).is_none_or(|known| known.active != Active::Active) {
                return Err(Error::Service {
                    unit: unit.to_owned(),
                    doing: "reloading",
                    why: "it does not run".into(),
                });
            }
            state.witness(format!("reload {unit}"));
            Ok(())
        })
        .await
    }

    async fn disable(&self, unit: &str) -> Result<(), Error> {
        self.act("services.disable", |state| {
            if let Some(known) = state.units.get_mut(unit)
                && known.enablement == Enablement::Enabled
            {
                known.enablement = Enablement::Disabled;
                state.witness(format!("disable {unit}"));
            }
            Ok(())
        })
        .await
    }

    async fn mask(&self, unit: &str) -> Result<(), Error> {
        self.act("services.mask", |state| {
            let path = mask_path(unit);
            if state.files.contains_key(&path) && !is_masked(state, unit) {
                return Err(Error::OwnUnitFile { unit: unit.to_owned(), path });
            }
            if !is_masked(state, unit) {
                state.directory("/etc/systemd/system");
                state.files.insert(path, Node::Symlink("/dev/null".into()));
                state.witness(format!("mask {unit}"));
            }
            if let Some(known) = state.units.get_mut(unit) {
                known.enablement = Enablement::Masked;
            }
            Ok(())
        })
        .await
    }

    async fn unmask(&self, unit: &str) -> Result<(), Error> {
        self.act("services.unmask", |state| {
            if is_masked(state, unit) {
                state.files.remove(&mask_path(unit));
                state.witness(format!("unmask {unit}"));
            }
            if let Some(known) = state.units.get_mut(unit)
                && known.enablement == Enablement::Masked
            {
                known.enablement = known.unmasked;
            }
            Ok(())
        })
        .await
    }

    async fn daemon_reload(&self) -> Result<(), Error> {
        self.act("services.daemon_reload", |_| Ok(())).await
    }

    async fn last_words(&self, unit: &str, lines: u16) -> Result<Vec<String>, Error> {
        self.look("services.last_words", |state| {
            let said = state.said.get(unit).map(Vec::as_slice).unwrap_or_default();
            Ok(said[said.len().saturating_sub(lines.into())..].to_vec())
        })
        .await
    }

    async fn run_transient(&self, transient: &Transient) -> Result<(), Error> {
        let now = self.inner.clock.since_boot().as_millis() as u64;
        self.act("services.run_transient", |state| {
            if state.transients.contains_key(&transient.name) {
                return Err(refused(&transient.name, "a unit of that name is loaded already"));
            }
            state.witness(format!("run {}", transient.argv.iter().take(2).cloned().collect::<Vec<_>>().join(" ")));
            let (takes, most) = (takes_ms(state, &transient.argv), transient.max_runtime.as_millis() as u64);
            let run = TransientRun {
                transient: transient.clone(),
                ends_ms: now.saturating_add(takes.min(most)),
                cut: takes > most,
                exit: None,
            };
            state.transients.insert(transient.name.clone(), run);
            Ok(())
        })
        .await
    }

    async fn transient_status(&self, name: &str) -> Result<TransientStatus, Error> {
        self.look("services.transient_status", |state| {
            Ok(match state.transients.get(name).map(|run| run.exit) {
                None => TransientStatus::NotFound,
                Some(None) => TransientStatus::Running,
                Some(Some(code)) => TransientStatus::Exited { code },
            })
        })
        .await
    }

    async fn forget_transient(&self, name: &str) -> Result<(), Error> {
        self.act("services.forget_transient", |state| {
            state.transients.remove(name);
            Ok(())
        })
        .await
    }
}

/// How long a command takes: `sleep` what it says, `kubeadm` what the state says, any other no time.
fn takes_ms(state: &State, argv: &[String]) -> u64 {
    match argv {
        [program, seconds] if program.ends_with("/sleep") => {
            seconds.parse::<u64>().unwrap_or_default().saturating_mul(1000)
        }
        _ if super::upgrade::hangs(state, argv) => u64::MAX,
        [program, ..] if program.ends_with("/kubeadm") => state.reset_ms,
        [program, ..] if program.ends_with("/apt-get") => state.packaging.takes_ms,
        _ => 0,
    }
}

/// A unit is there once its file is, and a mask keeps it down.
fn startable(state: &mut State, unit: &str, doing: &'static str) -> Result<(), Error> {
    let no = |why: &str| Error::Service { unit: unit.to_owned(), doing, why: why.to_owned() };
    if is_masked(state, unit) {
        return Err(no("Unit is masked."));
    }
    if !state.units.contains_key(unit) {
        if !matches!(state.files.get(&mask_path(unit)), Some(Node::File(_))) {
            return Err(no("Unit not found."));
        }
        let (active, enablement) = (Active::Inactive, Enablement::Disabled);
        let comm = unit.trim_end_matches(".service").to_owned();
        state.units.insert(unit.to_owned(), Unit { active, enablement, unmasked: enablement, restarts: true, comm });
    }
    Ok(())
}

fn refused(unit: &str, why: &str) -> Error {
    Error::Service { unit: unit.to_owned(), doing: "starting", why: why.to_owned() }
}
