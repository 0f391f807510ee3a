//! What the machine must bring before anything is touched. Checked first and all at once, so that a newcomer gets one message
//! with one line to run instead of a failure in the middle.

use std::env;
use std::path::PathBuf;

/// The machine lacks something; the message says what, and how to get it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Missing(String);

const BOOT: &[(&str, &str)] = &[
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("mount", "mount"),
    ("timeout", "coreutils"),
    ("nft", "nftables"),
];

const BUILD: &[(&str, &str)] = &[
    ("debootstrap", "debootstrap"),
    ("dpkg-deb", "dpkg"),
    ("dpkg-scanpackages", "dpkg-dev"),
    ("gpg", "gnupg"),
    ("tar", "tar"),
];

/// Refuses unless hosts can be booted here.
pub(crate) fn to_boot() -> Result<(), Missing> {
    root()?;
    installed(BOOT)
}

/// Refuses unless what is not in the cache can be built here.
pub(crate) fn to_build() -> Result<(), Missing> {
    root()?;
    installed(BUILD)?;
    go().map(|_| ())
}

/// The Go toolchain; its usual folder is looked at too, since it is often missing from the PATH of services.
pub(crate) fn go() -> Result<PathBuf, Missing> {
    let usual = PathBuf::from("/usr/local/go/bin/go");
    found("go").or_else(|| usual.exists().then_some(usual)).ok_or_else(|| {
        Missing("needs Go 1.25 or later, to build Kubernetes from its modules: install it from your distribution or from the Go project and put `go` on the PATH".to_owned())
    })
}

fn root() -> Result<(), Missing> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(Missing("needs root: it boots hosts, mounts their disks and makes a bridge".to_owned()))
}

fn installed(programs: &[(&str, &str)]) -> Result<(), Missing> {
    let (names, mut packages): (Vec<&str>, Vec<&str>) =
        programs.iter().copied().filter(|(program, _)| found(program).is_none()).unzip();
    packages.sort_unstable();
    packages.dedup();
    if names.is_empty() {
        return Ok(());
    }
    Err(Missing(format!("needs {}: apt-get install {}", names.join(", "), packages.join(" "))))
}

fn found(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_named_at_once_with_the_line_to_run() {
        let missing = installed(&[("sh", "dash"), ("no-such-b", "second"), ("no-such-a", "first")]).unwrap_err();
        assert_eq!(missing.to_string(), "needs no-such-b, no-such-a: apt-get install first second");
    }
}
