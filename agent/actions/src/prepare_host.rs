//! Makes a host fit for a kubelet: what the kernel has to offer, now and at every boot, what containerd has to know, and arguments of the kubelet
//! on this host alone. Everything is looked at before anything is changed, and what was there before is kept.

mod containerd;
mod kernel;
mod kubelet;
mod record;
mod sysctls;
mod wire;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::cri::{self, Cri};
use slipway_host::{Active, Enablement, Host};
use slipway_proto::types::{Change, Obstacle};

use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

pub(crate) use record::{RECORD, Record, remove};

pub(crate) const CONTAINERD: &str = "containerd.service";
const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
const DEFAULTS: [&str; 2] = ["/etc/default/kubelet", "/etc/sysconfig/kubelet"];
const DROP_INS: &str = "/etc/systemd/system/kubelet.service.d";
const POLL: Duration = Duration::from_millis(500);
/// A containerd with many images takes its time.
const ANSWERS_WITHIN: u32 = 60;

/// Prepares the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrepareHost {
    swap_allowed: bool,
    driver: String,
    sandbox: String,
    /// Registries with their endpoints.
    mirrors: Vec<(String, Vec<String>)>,
    /// Arguments of the kubelet.
    arguments: Vec<(String, String)>,
}

/// A file as it has to be.
#[derive(Debug)]
struct Wanted {
    path: PathBuf,
    content: String,
    why: String,
}

/// All that a look found.
#[derive(Debug, Default)]
struct Found {
    files: Vec<Wanted>,
    changes: Vec<Change>,
    obstacles: Vec<Obstacle>,
    notes: Vec<String>,
    load: bool,
    sysctls: Vec<&'static str>,
    restart: bool,
    /// containerd was told not to speak to kubelets, and is told to.
    enables_cri: bool,
}

impl Found {
    fn refuse(&mut self, code: Code, what: &str, why: impl Into<String>) {
        self.obstacles.push(obstacle(code, what, why));
    }

    /// Notes a file that has to hold `content`, if it does not.
    async fn want(&mut self, host: &Host, path: &Path, content: String, why: &str) -> Result<bool, Error> {
        let present = text(host, path).await?;
        if present.as_deref() == Some(content.as_str()) {
            return Ok(false);
        }
        let verb = if present.is_some() { "change" } else { "write" };
        self.changes.push(change("file", path.display().to_string(), verb, why));
        self.files.push(Wanted { path: path.to_owned(), content, why: why.to_owned() });
        Ok(true)
    }
}

impl PrepareHost {
    async fn look(&self, host: &Host) -> Result<Found, Error> {
        let mut found = Found::default();
        kernel::look(host, &mut found).await?;
        if !self.swap_allowed {
            let swaps = host.kernel.swaps().await?;
            if !swaps.is_empty() {
                found.refuse(Code::HOST_SWAP, "swap", swap_is_on(&swaps));
            }
        }
        self.runtime(host, &mut found).await?;
        self.kubelet(host, &mut found).await?;
        Ok(found)
    }

    async fn runtime(&self, host: &Host, found: &mut Found) -> Result<(), Error> {
        let unit = host.services.state(CONTAINERD).await?;
        let at = cri::find(host).await?;
        let is_containerd =
            matches!(&at, Cri::At(socket) if socket.contains("containerd")) || unit.enablement != Enablement::NotFound;
        let version = match &at {
            Cri::At(socket) => host.runtime.version(socket).await,
            Cri::Silent { unit } => {
                let why = format!(
                    "{unit} has no socket: systemctl start {unit}, and see journalctl -u {unit} if it does not come"
                );
                found.refuse(Code::HOST_RUNTIME, unit, why);
                return Ok(());
            }
            Cri::Absent => {
                let why =
                    "no container runtime is installed: install containerd, then systemctl enable --now containerd";
                found.refuse(Code::HOST_RUNTIME, "container runtime", why);
                return Ok(());
            }
        };
        if is_containerd && unit.enablement != Enablement::NotFound {
            self.containerd(host, found, version.as_deref().unwrap_or_default()).await?;
        }
        // One that is up and was told not to speak CRI will, with what is changed now.
        let will = unit.active == Active::Active && found.enables_cri;
        if let (Err(error), false) = (version, will) {
            let why = format!(
                "{}: systemctl start containerd (or your runtime), and see journalctl -u containerd",
                error.coded().message
            );
            found.refuse(Code::HOST_RUNTIME, "container runtime", why);
        }
        Ok(())
    }

    async fn containerd(&self, host: &Host, found: &mut Found, version: &str) -> Result<(), Error> {
        let path = Path::new(CONTAINERD_CONFIG);
        let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse().ok()).unwrap_or(1);
        let mirrors = !self.mirrors.is_empty();
        let wants = containerd::Wants { driver: &self.driver, sandbox: &self.sandbox, mirrors, major };
        let present = text(host, path).await?.unwrap_or_default();
        let edited = match containerd::edited(&present, &wants) {
            Ok(edited) => edited,
            Err(why) => {
                found.refuse(
                    Code::HOST_PREPARE,
                    CONTAINERD_CONFIG,
                    format!("{CONTAINERD_CONFIG} is not changed: {why}"),
                );
                return Ok(());
            }
        };
        for (registry, endpoints) in &self.mirrors {
            let path = Path::new(&edited.hosts).join(registry).join("hosts.toml");
            let present = text(host, &path).await?.unwrap_or_default();
            match containerd::hosts(&present, endpoints) {
                Ok(content) => drop(found.want(host, &path, content, "mirrors of the registry").await?),
                Err(why) => {
                    let shown = path.display().to_string();
                    found.refuse(Code::HOST_PREPARE, &shown, format!("{shown} is not changed: {why}"));
                }
            }
        }
        if !edited.differs.is_empty() {
            found.want(host, path, edited.text, &edited.differs.join(", ")).await?;
        }
        found.enables_cri = edited.enables_cri;
        found.restart = !edited.differs.is_empty() || Record::read(host).await?.is_some_and(|record| record.restart);
        if found.restart {
            found.changes.push(change(
                "unit",
                CONTAINERD,
                "restart",
                "its configuration is read at its start; containers go on",
            ));
        }
        Ok(())
    }

    async fn kubelet(&self, host: &Host, found: &mut Found) -> Result<(), Error> {
        if self.arguments.is_empty() {
            return Ok(());
        }
        let path = defaults_file(host).await?;
        let present = text(host, path).await?.unwrap_or_default();
        if !kubelet::assigns(&present)
            && let Some(own) = own_drop_in(host).await?
        {
            let why = format!(
                "{} sets {} and would be overruled by {}: put the arguments of the settings there yourself, and take them out of the settings",
                own.display(),
                kubelet::VARIABLE,
                path.display()
            );
            found.refuse(Code::HOST_PREPARE, &own.display().to_string(), why);
            return Ok(());
        }
        match kubelet::edited(&present, &self.arguments) {
            Ok(content) => drop(found.want(host, path, content, "arguments of the kubelet on this host").await?),
            Err(why) => {
                let shown = path.display().to_string();
                found.refuse(Code::HOST_PREPARE, &shown, format!("{shown} is not changed: {why}"));
            }
        }
        Ok(())
    }

    async fn do_it(
        &self,
        host: &Host,
        operation: &OperationContext,
        found: &Found,
        record: &mut Record,
    ) -> Result<(), Error> {
        for wanted in &found.files {
            record.keep(host, &wanted.path, &wanted.content).await?;
        }
        record.restart |= found.restart;
        record.goes = false;
        record.write(host).await?;
        for wanted in &found.files {
            operation.go_on(self.name())?;
            operation.progress.say(format!("writing {}: {}", wanted.path.display(), wanted.why));
            Record::lay_down(host, &wanted.path, &wanted.content).await?;
        }
        kernel::bring_about(host, operation, found, record).await?;
        if record.restart {
            if let Err(error) = restarted(host, operation).await {
                return Err(self.put_back(host, operation, record, &error).await?);
            }
            record.restart = false;
            record.write(host).await?;
        }
        Ok(())
    }

    /// containerd gets its old configuration back, and is started with it: a host without a runtime serves nobody.
    async fn put_back(
        &self,
        host: &Host,
        operation: &OperationContext,
        record: &mut Record,
        cause: &Error,
    ) -> Result<Error, Error> {
        let path = Path::new(CONTAINERD_CONFIG);
        let cause = cause.coded().message;
        operation.progress.say(format!("putting {} back: {cause}", path.display()));
        let mut what = format!("containerd does not answer with its new configuration: {cause}");
        if let Some(kept) = record.files.get(path).cloned() {
            record.give_back(host, path, &kept).await?;
            what += match restarted(host, operation).await {
                Ok(()) => "; with the old one, which is back, it does",
                Err(_) => "; neither does it with the old one, which is back",
            };
            record.files.remove(path);
        }
        record.restart = false;
        record.write(host).await?;
        Ok(Error::NotReached { action: self.name(), code: Code::HOST_PREPARE, what })
    }
}

fn swap_is_on(swaps: &[String]) -> String {
    let first = swaps.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    format!(
        "swap is on ({first}), and the cluster's kubelets do not start with it: swapoff -a, and keep it from coming back at boot \
         (its line in /etc/fstab, systemctl mask of its .swap unit, the package zram-tools or systemd-zram-generator); \
         or give the cluster failSwapOn: false"
    )
}

async fn defaults_file(host: &Host) -> Result<&'static Path, Error> {
    for file in DEFAULTS {
        if host.files.entry(Path::new(file)).await?.is_some() {
            return Ok(Path::new(file));
        }
    }
    let there = async |path: &str| host.files.entry(Path::new(path)).await.map(|entry| entry.is_some());
    let rpm = there("/etc/sysconfig").await? && !there("/etc/debian_version").await?;
    Ok(Path::new(DEFAULTS[usize::from(rpm)]))
}

/// A drop-in that gives the kubelet's variable a value.
async fn own_drop_in(host: &Host) -> Result<Option<PathBuf>, Error> {
    for entry in host.files.list(Path::new(DROP_INS)).await? {
        let conf = entry.path.extension().is_some_and(|end| end == "conf");
        if conf && kubelet::drop_in_assigns(&text(host, &entry.path).await?.unwrap_or_default()) {
            return Ok(Some(entry.path));
        }
    }
    Ok(None)
}

/// Restarts containerd and waits until it answers.
pub(crate) async fn restarted(host: &Host, operation: &OperationContext) -> Result<(), Error> {
    operation.progress.say("restarting containerd, which reads its configuration");
    host.services.restart(CONTAINERD).await?;
    let mut says = "it has no socket".to_owned();
    for _ in 0..ANSWERS_WITHIN {
        if let Cri::At(socket) = cri::find(host).await? {
            match host.runtime.version(&socket).await {
                Ok(_) => return Ok(()),
                Err(error) => says = error.coded().message,
            }
        }
        operation.go_on("prepare-host")?;
        tokio::time::sleep(POLL).await;
    }
    Err(Error::NotReached { action: "prepare-host", code: Code::HOST_RUNTIME, what: says })
}

#[async_trait]
impl Perform for PrepareHost {
    fn name(&self) -> &'static str {
        "prepare-host"
    }

    fn by_hand(&self) -> Vec<String> {
        let mut lines = kernel::by_hand();
        if !self.driver.is_empty() || !self.sandbox.is_empty() || !self.mirrors.is_empty() {
            let mut says = Vec::new();
            if !self.driver.is_empty() {
                says.push(format!("SystemdCgroup = {}", self.driver == "systemd"));
            }
            if !self.sandbox.is_empty() {
                says.push(format!("the sandbox image {}", self.sandbox));
            }
            says.extend(self.mirrors.iter().map(|(registry, _)| format!("mirrors of {registry}")));
            lines
                .push(format!("editor {CONTAINERD_CONFIG}   # {}; then systemctl restart containerd", says.join(", ")));
        }
        if !self.arguments.is_empty() {
            let words: Vec<String> = self.arguments.iter().map(|(name, value)| format!("--{name}={value}")).collect();
            lines.push(format!("editor {}   # {} with {}", DEFAULTS[0], kubelet::VARIABLE, words.join(" ")));
        }
        lines
    }

    fn failure(&self) -> Code {
        Code::HOST_PREPARE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let found = self.look(host).await?;
        let satisfied = found.changes.is_empty() && found.obstacles.is_empty();
        Ok(Check { satisfied, changes: found.changes, obstacles: found.obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, _found: &Check) -> Result<Done, Error> {
        let found = self.look(host).await?;
        let mut record = Record::read(host).await?.unwrap_or_default();
        self.do_it(host, operation, &found, &mut record).await?;
        Ok(Done { changes: found.changes, record: found.notes })
    }
}

#[cfg(test)]
#[path = "prepare_host/tests.rs"]
mod tests;
