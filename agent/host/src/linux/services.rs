//! Units over D-Bus. Every job is waited for by the signal of its end, and what a unit is afterwards is read, not assumed.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::sync::Mutex;
use zbus::Connection;
use zbus::OwnedObjectPath;
use zbus::proxy::CacheProperties;

use super::exec::{Exec, Program, redacted};
use super::systemd::{Doing, ManagerProxy, ServiceProxy, UnitProxy};
use super::{blocking, transient};
use crate::{Active, Enablement, Error, ServiceState, Services, Transient, TransientStatus};

const UNIT_FILES: &str = "/etc/systemd/system";
const NO_UNIT: [&str; 3] = [
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.DBus.Error.FileNotFound",
    "org.freedesktop.DBus.Error.NoSuchFile",
];

/// systemd on the system bus. The connection is kept, and made anew when it was lost.
#[derive(Debug, Default)]
pub(super) struct Systemd {
    connection: Mutex<Option<Connection>>,
}

impl Systemd {
    pub(super) async fn connection(&self, doing: Doing<'_>) -> Result<Connection, Error> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_ref()
            && zbus::fdo::DBusProxy::new(connection)
                .await
                .map_err(|error| doing.failed(error.to_string()))?
                .get_id()
                .await
                .is_ok()
        {
            return Ok(connection.clone());
        }
        let connection = doing.call(Connection::system()).await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }

    pub(super) async fn manager(&self, doing: Doing<'_>) -> Result<ManagerProxy<'static>, Error> {
        manager_on(&self.connection(doing).await?, doing).await
    }

    pub(super) async fn unit(&self, doing: Doing<'_>, path: &OwnedObjectPath) -> Result<UnitProxy<'static>, Error> {
        unit_on(&self.connection(doing).await?, doing, path).await
    }

    pub(super) async fn service(
        &self,
        doing: Doing<'_>,
        path: &OwnedObjectPath,
    ) -> Result<ServiceProxy<'static>, Error> {
        service_on(&self.connection(doing).await?, doing, path).await
    }

    async fn enablement(&self, manager: &ManagerProxy<'_>, doing: Doing<'_>) -> Result<Enablement, Error> {
        let state = doing.call_unless(&NO_UNIT, manager.get_unit_file_state(doing.unit)).await?;
        Ok(state.as_deref().map_or(Enablement::NotFound, enablement))
    }

    /// Carries out a change of unit files, makes systemd read them, and says whether there was anything to change.
    async fn change_files<T>(
        &self,
        doing: Doing<'_>,
        manager: &ManagerProxy<'_>,
        change: impl Future<Output = zbus::Result<T>>,
    ) -> Result<(), Error> {
        if doing.call_unless(&NO_UNIT, change).await?.is_some() {
            doing.call(manager.reload()).await?;
        }
        Ok(())
    }
}

async fn manager_on(connection: &Connection, doing: Doing<'_>) -> Result<ManagerProxy<'static>, Error> {
    doing.call(ManagerProxy::builder(connection).cache_properties(CacheProperties::No).build()).await
}

async fn unit_on(
    connection: &Connection,
    doing: Doing<'_>,
    path: &OwnedObjectPath,
) -> Result<UnitProxy<'static>, Error> {
    let builder = UnitProxy::builder(connection).path(path.clone());
    doing.call(builder.cache_properties(CacheProperties::No).build()).await
}

async fn service_on(
    connection: &Connection,
    doing: Doing<'_>,
    path: &OwnedObjectPath,
) -> Result<ServiceProxy<'static>, Error> {
    let builder = ServiceProxy::builder(connection).path(path.clone());
    doing.call(builder.cache_properties(CacheProperties::No).build()).await
}

fn enablement(state: &str) -> Enablement {
    match state {
        "enabled" | "enabled-runtime" | "linked" | "linked-runtime" | "alias" => Enablement::Enabled,
        "masked" | "masked-runtime" => Enablement::Masked,
        "disabled" => Enablement::Disabled,
        _ => Enablement::Static,
    }
}

fn active(state: &str) -> Active {
    match state {
        "active" | "reloading" | "refreshing" => Active::Active,
        "failed" => Active::Failed,
        "activating" => Active::Activating,
        "deactivating" => Active::Deactivating,
        // `maintenance` too: nothing runs.
        _ => Active::Inactive,
    }
}

/// A file, or a link to anything but `/dev/null`, that a mask would have to replace.
fn own_unit_file(unit: &str) -> Result<Option<PathBuf>, Error> {
    let path = Path::new(UNIT_FILES).join(unit);
    let metadata = match std::fs::symlink_metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(format!("looking at {}", path.display()))(error)),
    };
    let is_mask = metadata.is_symlink() && std::fs::read_link(&path).is_ok_and(|to| to == Path::new("/dev/null"));
    Ok((!is_mask).then_some(path))
}

#[async_trait]
impl Services for Systemd {
    async fn state(&self, unit: &str) -> Result<ServiceState, Error> {
        let doing = Doing { unit, what: "looking at" };
        // Whether the connection still answers is asked once: every host looks at several units every few seconds.
        let connection = self.connection(doing).await?;
        let manager = manager_on(&connection, doing).await?;
        let path = doing.call(manager.load_unit(unit)).await?;
        let proxy = unit_on(&connection, doing, &path).await?;
        let active = active(&doing.call(proxy.active_state()).await?);
        let enablement = self.enablement(&manager, doing).await?;
        let main_pid = match enablement {
            Enablement::NotFound => None,
            _ => doing.call(service_on(&connection, doing, &path).await?.main_pid()).await.ok().filter(|pid| *pid > 0),
        };
        Ok(ServiceState { unit: unit.to_owned(), active, enablement, main_pid })
    }

    async fn stop(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "stopping" };
        let manager = self.manager(doing).await?;
        doing.job(&manager, &NO_UNIT, manager.stop_unit(unit, "replace")).await.map(|_| ())
    }

    async fn enable(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "enabling" };
        let manager = self.manager(doing).await?;
        doing.call(manager.enable_unit_files(&[unit], false, false)).await?;
        doing.call(manager.reload()).await
    }

    async fn start(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "starting" };
        let manager = self.manager(doing).await?;
        doing.job(&manager, &[], manager.start_unit(unit, "replace")).await.map(|_| ())
    }

    async fn restart(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "restarting" };
        let manager = self.manager(doing).await?;
        doing.job(&manager, &[], manager.restart_unit(unit, "replace")).await.map(|_| ())
    }

    async fn reload(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "reloading" };
        let manager = self.manager(doing).await?;
        doing.job(&manager, &[], manager.reload_unit(unit, "replace")).await.map(|_| ())
    }

    async fn disable(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "disabling" };
        let manager = self.manager(doing).await?;
        self.change_files(doing, &manager, manager.disable_unit_files(&[unit], false)).await
    }

    async fn mask(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "masking" };
        let name = unit.to_owned();
        if let Some(path) = blocking("looking at unit files", move || own_unit_file(&name)).await? {
            return Err(Error::OwnUnitFile { unit: unit.to_owned(), path });
        }
        let manager = self.manager(doing).await?;
        self.change_files(doing, &manager, manager.mask_unit_files(&[unit], false, false)).await
    }

    async fn unmask(&self, unit: &str) -> Result<(), Error> {
        let doing = Doing { unit, what: "unmasking" };
        let manager = self.manager(doing).await?;
        self.change_files(doing, &manager, manager.unmask_unit_files(&[unit], false)).await
    }

    async fn daemon_reload(&self) -> Result<(), Error> {
        let doing = Doing { unit: "systemd", what: "reloading" };
        doing.call(self.manager(doing).await?.reload()).await
    }

    async fn last_words(&self, unit: &str, lines: u16) -> Result<Vec<String>, Error> {
        if Program::Journalctl.path().is_none() {
            return Ok(Vec::new());
        }
        let lines = lines.to_string();
        let words = ["--unit", unit, "--lines", &lines, "--output", "cat", "--quiet", "--no-pager"];
        let said = Exec.run(Program::Journalctl, &words, None).await?;
        Ok(String::from_utf8_lossy(&said).lines().map(|line| redacted(line.as_bytes())).collect())
    }

    async fn run_transient(&self, transient: &Transient) -> Result<(), Error> {
        transient::run(self, transient).await
    }

    async fn transient_status(&self, name: &str) -> Result<TransientStatus, Error> {
        transient::status(self, name).await
    }

    async fn forget_transient(&self, name: &str) -> Result<(), Error> {
        transient::forget(self, name).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_systemd_has_a_meaning() {
        assert_eq!(active("reloading"), Active::Active);
        assert_eq!(active("activating"), Active::Activating);
        assert!(active("failed").is_down() && active("inactive").is_down() && !active("deactivating").is_down());
        assert_eq!(enablement("masked-runtime"), Enablement::Masked);
        assert_eq!(enablement("generated"), Enablement::Static);
        assert_eq!(enablement("enabled-runtime"), Enablement::Enabled);
    }
}
