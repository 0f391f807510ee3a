//! Starts a host's nspawn so that it belongs to nobody: in a session of its own, so that whatever ends the lab program ends no
//! host, and with its identity written down by itself, so that no moment exists in which it runs unrecorded.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::build::SHARED;
use crate::command::{check, command};
use crate::mounts;
use crate::paths::HostFiles;
use crate::shape::{BRIDGE, HostPlan};

use super::disk::DATA;

/// Words: the file for the identity, the groups to enter, `--`, the program to become. The process number and the moment of
/// start stay the same over exec.
const ENTER: &str = r#"
record=$1; shift
read -r stat < "/proc/$$/stat"
started=$(echo "${stat##*) }" | cut -d' ' -f20)
echo "$$ $started" > "$record.part"; mv -f "$record.part" "$record"
while [ "$1" != -- ]; do echo "$$" > "$1/cgroup.procs"; shift; done; shift
exec "$@"
"#;

/// Starts the host in its groups; it then boots by itself.
pub(super) fn start(plan: &HostPlan, files: &HostFiles, groups: &[PathBuf], shared: &Path) -> Result<()> {
    ensure!(!groups.is_empty(), "this machine has no cgroups");
    let console = File::create(files.console()).context("make the console's file")?;
    let mut boot = command("setsid", ["--fork", "sh", "-ec", ENTER, "lab-host"]);
    boot.arg(files.process()).args(groups).arg("--");
    boot.args(nspawn(plan, files, shared));
    boot.env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1");
    boot.stdout(console.try_clone()?).stderr(console);
    check(&mut boot).with_context(|| format!("boot {}", plan.name))?;
    Ok(())
}

/// Removes the folder that an nspawn which was killed could not remove itself. Only an empty one goes.
pub(super) fn sweep(name: &str) -> Result<()> {
    let folder = Path::new("/run/systemd/nspawn/propagate").join(name);
    mounts::unmount_below(&folder)?;
    match fs::remove_dir(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn nspawn(plan: &HostPlan, files: &HostFiles, shared: &Path) -> Vec<String> {
    let mut words: Vec<String> = [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        // Nobody else on this machine is to manage it: PID 1 need not even be systemd.
        "--register=no",
        "--keep-unit",
        "--capability=all",
        // What runc asks for to make containers within.
        "--system-call-filter=@keyring bpf add_key keyctl",
        "--bind=/dev/kmsg",
        "--console=pipe",
        "--resolv-conf=off",
        "--timezone=off",
    ]
    .map(str::to_owned)
    .into();
    words.push(format!("--directory={}", files.root().display()));
    words.push(format!("--machine={}", plan.name));
    words.push(format!("--network-bridge={BRIDGE}"));
    words.extend(DATA.iter().map(|(name, place)| format!("--bind={}:{place}", files.data(name).display())));
    words.push(format!("--bind-ro={}:{SHARED}", shared.display()));
    words
}
