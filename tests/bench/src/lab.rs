//! What only a real cluster can tell. The lab's own program boots one, measures there, and says what it saw; it lies beside this one, of the same
//! profile, as do the programs that it installs.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;

const PROGRAM: &str = "slipway-lab";
/// As that program ends where the machine lacks something.
const MISSING: i32 = 2;

/// Has it measure that, in so many rounds.
pub(crate) fn measured<T: DeserializeOwned>(what: &str, rounds: usize) -> anyhow::Result<T> {
    let own = std::env::current_exe().context("where this program lies")?;
    let folder = own.parent().context("where this program lies")?;
    let said = ask(&folder.join(PROGRAM), what, rounds, profile(folder))?;
    serde_json::from_str(&said).with_context(|| format!("the lab said {said:?}"))
}

fn ask(program: &Path, what: &str, rounds: usize, profile: &str) -> anyhow::Result<String> {
    ensure!(program.is_file(), "the lab is not built; `cargo xtask bench` builds it: no {}", program.display());
    let mut lab = Command::new(program);
    lab.args(["bench", what, "--pairs", &rounds.to_string(), "--then-down", "--profile", profile]);
    let output = lab.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("starting the lab")?;
    match output.status.code() {
        Some(0) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Some(MISSING) => bail!("this machine cannot boot the lab; what it lacks stands above"),
        _ => bail!("the lab failed ({})", output.status),
    }
}

/// cargo's name of what it built into that folder.
fn profile(folder: &Path) -> &str {
    match folder.file_name().and_then(std::ffi::OsStr::to_str) {
        Some("debug") | None => "dev",
        Some(other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn says(script: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("lab");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
        ask(&program, "drain", 3, "release")
    }

    #[test]
    fn a_machine_without_a_lab_is_told_from_one_where_it_failed() {
        assert_eq!(says("echo $2 $4 $7").unwrap().trim(), "drain 3 release");
        assert!(says("exit 2").unwrap_err().to_string().contains("cannot boot the lab"));
        assert!(says("exit 1").unwrap_err().to_string().contains("the lab failed"));
        let error = ask(Path::new("/no/such/lab"), "drain", 3, "dev").unwrap_err().to_string();
        assert!(error.contains("cargo xtask bench"), "{error}");
    }

    #[test]
    fn programs_are_those_of_the_same_profile() {
        assert_eq!(profile(Path::new("/target/debug")), "dev");
        assert_eq!(profile(Path::new("/target/release")), "release");
    }
}
