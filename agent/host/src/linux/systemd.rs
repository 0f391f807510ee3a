//! systemd's D-Bus interfaces, as far as they are used, and the waiting for one's own job.

use std::time::Duration;

use futures::StreamExt;
use zbus::OwnedObjectPath;
use zbus::Variant as Value;

use crate::Error;

type UnitFileChanges = Vec<(String, String, String)>;

#[zbus::proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
pub(super) trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn get_unit_file_state(&self, file: &str) -> zbus::Result<String>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn enable_unit_files(&self, files: &[&str], runtime: bool, force: bool) -> zbus::Result<(bool, UnitFileChanges)>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    fn disable_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<UnitFileChanges>;
    fn mask_unit_files(&self, files: &[&str], runtime: bool, force: bool) -> zbus::Result<UnitFileChanges>;
    fn unmask_unit_files(&self, files: &[&str], runtime: bool) -> zbus::Result<UnitFileChanges>;
    fn reload(&self) -> zbus::Result<()>;
    fn start_transient_unit(
        &self,
        name: &str,
        mode: &str,
        properties: &[(&str, Value<'_>)],
        aux: &[(&str, Vec<(&str, Value<'_>)>)],
    ) -> zbus::Result<OwnedObjectPath>;
    #[zbus(signal)]
    fn job_removed(&self, id: u32, job: OwnedObjectPath, unit: String, result: String) -> zbus::Result<()>;
}

#[zbus::proxy(interface = "org.freedesktop.systemd1.Unit", default_service = "org.freedesktop.systemd1")]
pub(super) trait Unit {
    #[zbus(property)]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn sub_state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn load_state(&self) -> zbus::Result<String>;
}

#[zbus::proxy(interface = "org.freedesktop.systemd1.Service", default_service = "org.freedesktop.systemd1")]
pub(super) trait Service {
    #[zbus(property, name = "MainPID")]
    fn main_pid(&self) -> zbus::Result<u32>;
    #[zbus(property)]
    fn exec_main_code(&self) -> zbus::Result<i32>;
    #[zbus(property)]
    fn exec_main_status(&self) -> zbus::Result<i32>;
}

/// Longer than the 90 s that systemd itself gives a unit to stop.
const JOB_DEADLINE: Duration = Duration::from_secs(150);
const CALL_DEADLINE: Duration = Duration::from_secs(25);

/// Which unit is being treated how: every failure says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Doing<'a> {
    pub(super) unit: &'a str,
    pub(super) what: &'static str,
}

impl Doing<'_> {
    pub(super) fn failed(self, why: impl Into<String>) -> Error {
        Error::Service { unit: self.unit.to_owned(), doing: self.what, why: why.into() }
    }

    /// The call's answer, in time.
    pub(super) async fn call<T>(self, call: impl Future<Output = zbus::Result<T>>) -> Result<T, Error> {
        self.answer(call).await?.map_err(|error| self.failed(said(&error)))
    }

    /// The same; one of the errors `absent` is `None`.
    pub(super) async fn call_unless<T>(
        self,
        absent: &[&str],
        call: impl Future<Output = zbus::Result<T>>,
    ) -> Result<Option<T>, Error> {
        match self.answer(call).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if absent.contains(&name(&error).as_str()) => Ok(None),
            Err(error) => Err(self.failed(said(&error))),
        }
    }

    async fn answer<T>(self, call: impl Future<Output = zbus::Result<T>>) -> Result<zbus::Result<T>, Error> {
        tokio::time::timeout(CALL_DEADLINE, call).await.map_err(|_| self.failed("systemd did not answer"))
    }

    /// Makes systemd begin a job, and waits until exactly that one has ended well. `None` if one of the errors `absent` says that there is no
    /// unit.
    pub(super) async fn job(
        self,
        manager: &ManagerProxy<'_>,
        absent: &[&str],
        begin: impl Future<Output = zbus::Result<OwnedObjectPath>>,
    ) -> Result<Option<()>, Error> {
        match self.ended(manager, absent, begin).await?.as_deref() {
            None => Ok(None),
            Some("done" | "skipped") => Ok(Some(())),
            Some(result) => Err(self.failed(format!("the job ended as {result}"))),
        }
    }

    /// The same, and how the job ended, well or not.
    pub(super) async fn ended(
        self,
        manager: &ManagerProxy<'_>,
        absent: &[&str],
        begin: impl Future<Output = zbus::Result<OwnedObjectPath>>,
    ) -> Result<Option<String>, Error> {
        // Before the job begins, or its end could be missed.
        self.call_unless(&["org.freedesktop.systemd1.AlreadySubscribed"], manager.subscribe()).await?;
        let mut ends = self.call(manager.receive_job_removed()).await?;
        let Some(job) = self.call_unless(absent, begin).await? else { return Ok(None) };
        let end = async {
            while let Some(signal) = ends.next().await {
                if let Ok(told) = signal.args()
                    && told.job == job
                {
                    return Ok(told.result.clone());
                }
            }
            Err(self.failed("systemd went away before its job ended"))
        };
        match tokio::time::timeout(JOB_DEADLINE, end).await {
            Err(_) => Err(self.failed(format!("the job did not end within {} s", JOB_DEADLINE.as_secs()))),
            Ok(result) => result.map(Some),
        }
    }
}

fn name(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, _, _) => name.to_string(),
        zbus::Error::FDO(error) => zbus::DBusError::name(error.as_ref()).to_string(),
        _ => String::new(),
    }
}

fn said(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(_, Some(text), _) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_bus_itself_has_its_name_too() {
        let error = zbus::Error::from(zbus::fdo::Error::FileNotFound("none".into()));
        assert_eq!(name(&error), "org.freedesktop.DBus.Error.FileNotFound");
        assert_eq!(name(&zbus::Error::InvalidReply), "");
    }
}
