//! Long commands as transient services: systemd owns them, so they outlive the agent, are free of its sandbox, and keep their result.

use zbus::OwnedObjectPath;
use zbus::Variant as Value;

use super::blocking;
use super::files::private_folder;
use super::services::Systemd;
use super::systemd::Doing;
use crate::{Error, Transient, TransientStatus};

const NO_UNIT: [&str; 1] = ["org.freedesktop.systemd1.NoSuchUnit"];
/// `CLD_EXITED`: the process ended by itself.
const EXITED: i32 = 1;

fn properties(transient: &Transient) -> Vec<(&'static str, Value<'static>)> {
    let program = transient.argv.first().cloned().unwrap_or_default();
    let command = vec![(program, transient.argv.clone(), false)];
    let output = transient.output.display().to_string();
    let environment: Vec<String> =
        transient.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    vec![
        ("Description", Value::from(transient.description.clone())),
        ("Type", Value::from("exec")),
        ("RemainAfterExit", Value::from(true)),
        ("ExecStart", Value::from(command)),
        ("Environment", Value::from(environment)),
        ("StandardOutputFileToAppend", Value::from(output.clone())),
        ("StandardErrorFileToAppend", Value::from(output)),
        ("RuntimeMaxUSec", Value::from(transient.max_runtime.as_micros() as u64)),
        ("KillMode", Value::from("control-group")),
    ]
}

pub(super) async fn run(systemd: &Systemd, transient: &Transient) -> Result<(), Error> {
    let doing = Doing { unit: &transient.name, what: "starting" };
    if let Some(folder) = transient.output.parent().map(std::path::Path::to_owned) {
        blocking("making the folder of outputs", move || private_folder(&folder)).await?;
    }
    let manager = systemd.manager(doing).await?;
    let properties = properties(transient);
    let ended =
        doing.ended(&manager, &[], manager.start_transient_unit(&transient.name, "fail", &properties, &[])).await?;
    match ended.as_deref() {
        // A command that fails at once takes its start job with it; its exit code is in the unit all the same.
        Some("done" | "failed") => Ok(()),
        result => Err(doing.failed(format!("the job ended as {}", result.unwrap_or("nothing")))),
    }
}

async fn loaded(systemd: &Systemd, doing: Doing<'_>) -> Result<Option<OwnedObjectPath>, Error> {
    let manager = systemd.manager(doing).await?;
    let Some(path) = doing.call_unless(&NO_UNIT, manager.get_unit(doing.unit)).await? else { return Ok(None) };
    let loaded = doing.call(systemd.unit(doing, &path).await?.load_state()).await? == "loaded";
    Ok(loaded.then_some(path))
}

pub(super) async fn status(systemd: &Systemd, name: &str) -> Result<TransientStatus, Error> {
    let doing = Doing { unit: name, what: "looking at" };
    let Some(path) = loaded(systemd, doing).await? else { return Ok(TransientStatus::NotFound) };
    let unit = systemd.unit(doing, &path).await?;
    let (active, sub) = (doing.call(unit.active_state()).await?, doing.call(unit.sub_state()).await?);
    let ended = active == "failed" || active == "inactive" || (active == "active" && sub == "exited");
    if !ended {
        return Ok(TransientStatus::Running);
    }
    let service = systemd.service(doing, &path).await?;
    let (code, status) = (doing.call(service.exec_main_code()).await?, doing.call(service.exec_main_status()).await?);
    Ok(match code {
        // It is loaded, and nothing of it was ever started.
        0 if active == "inactive" => TransientStatus::NotFound,
        EXITED => TransientStatus::Exited { code: status },
        _ => TransientStatus::Exited { code: -1 },
    })
}

pub(super) async fn forget(systemd: &Systemd, name: &str) -> Result<(), Error> {
    let doing = Doing { unit: name, what: "forgetting" };
    let manager = systemd.manager(doing).await?;
    doing.job(&manager, &NO_UNIT, manager.stop_unit(name, "replace")).await?;
    // Only one that failed needs it; for others there is nothing left to reset.
    doing.call_unless(&NO_UNIT, manager.reset_failed_unit(name)).await.map(|_| ())
}
