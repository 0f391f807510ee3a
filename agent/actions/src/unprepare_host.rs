//! The way back from a host that was prepared: each file that is still as it was written gets its earlier content or goes, and sysctls get
//! their earlier values. Modules stay: somebody else may need them by now.

use std::path::Path;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::Host;

use crate::perform::change;
use crate::prepare_host::{CONTAINERD, RECORD, Record, remove, restarted};
use crate::{Check, Done, Error, OperationContext, Perform};

const OF_CONTAINERD: &str = "/etc/containerd/config.toml";

/// Takes the preparation back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnprepareHost;

#[async_trait]
impl Perform for UnprepareHost {
    fn name(&self) -> &'static str {
        "unprepare-host"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!(
            "cat {RECORD}   # each file has its earlier content beside it: mv FILE.before-slipway FILE, or rm FILE"
        )]
    }

    fn failure(&self) -> Code {
        Code::HOST_PREPARE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let Some(record) = Record::read(host).await? else {
            return Ok(Check { satisfied: true, ..Check::default() });
        };
        let mut changes: Vec<_> = record
            .files
            .iter()
            .map(|(path, kept)| {
                let verb = if kept.before { "change" } else { "remove" };
                change("file", path.display().to_string(), verb, "as it was before the host was prepared")
            })
            .collect();
        let sysctls = record.sysctls.iter();
        changes.extend(sysctls.map(|(name, value)| change("sysctl", name, "set", format!("{value} as before"))));
        if record.restart || record.files.contains_key(Path::new(OF_CONTAINERD)) {
            changes.push(change("unit", CONTAINERD, "restart", "its configuration is read at its start"));
        }
        changes.push(change("file", RECORD, "remove", "the record of all this"));
        Ok(Check { satisfied: false, changes, obstacles: Vec::new() })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let Some(mut record) = Record::read(host).await? else { return Ok(Done::default()) };
        let mut says = Vec::new();
        record.restart |= record.files.contains_key(Path::new(OF_CONTAINERD));
        record.goes = true;
        record.write(host).await?;
        for (path, kept) in &record.files {
            operation.go_on(self.name())?;
            says.push(record.give_back(host, path, kept).await?);
        }
        for (name, value) in &record.sysctls {
            if host.kernel.sysctl(name).await?.as_deref() == Some("1") {
                host.kernel.set_sysctl(name, value).await?;
            }
        }
        if record.restart {
            restarted(host, operation).await?;
        }
        // What somebody has put there since keeps a folder.
        for folder in record.folders.iter().rev() {
            if host.files.list(folder).await?.is_empty() {
                remove(host, folder).await?;
            }
        }
        let path = Path::new(RECORD);
        remove(host, path).await?;
        if let Some(folder) = path.parent().filter(|folder| folder.starts_with("/var/lib/slipway"))
            && host.files.list(folder).await?.is_empty()
        {
            remove(host, folder).await?;
        }
        Ok(Done { changes: found.changes.clone(), record: says })
    }
}
