//! Which machine this is, and which boot of it.

use async_trait::async_trait;

use super::blocking;
use crate::{Error, Identity, MachineIdentity};

#[derive(Debug)]
pub(super) struct Machine;

fn read(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(Error::io(format!("reading {path}")))
}

/// `PRETTY_NAME` of os-release.
fn pretty_name(os_release: &str) -> String {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    value.unwrap_or("Linux").trim_matches(['"', '\'']).to_owned()
}

fn identity() -> Result<MachineIdentity, Error> {
    let os_release = read("/etc/os-release").or_else(|_| read("/usr/lib/os-release")).unwrap_or_default();
    Ok(MachineIdentity {
        // A container image may have none; the boot still tells machines apart.
        machine_id: read("/etc/machine-id").unwrap_or_default(),
        boot_id: read("/proc/sys/kernel/random/boot_id")?,
        hostname: read("/proc/sys/kernel/hostname")?,
        os: pretty_name(&os_release),
        kernel: read("/proc/sys/kernel/osrelease")?,
        architecture: std::env::consts::ARCH.to_owned(),
    })
}

#[async_trait]
impl Identity for Machine {
    async fn identity(&self) -> Result<MachineIdentity, Error> {
        blocking("reading the machine's identity", identity).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_system_loses_its_quotes() {
        assert_eq!(
            pretty_name("ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            "Debian GNU/Linux 12 (bookworm)"
        );
        assert_eq!(pretty_name(""), "Linux");
    }

    #[test]
    fn a_boot_has_an_id() {
        assert_eq!(identity().unwrap().boot_id.len(), 36);
    }
}
