//! Suites that elsewhere run over fakes, on the real thing: their compiled programs are laid on a host and run there. A case that passes on
//! one and fails on the other means that the fake lies.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::host::Host;

const LONGEST: Duration = Duration::from_mins(6);

/// Runs a suite's program on a host with these settings; all of what it does must be of `tests` and hold.
pub(crate) fn suite(host: &Host, crate_name: &str, tests: &[&str], settings: &[(&str, &str)]) -> Result<()> {
    let program = program(crate_name)?;
    let there = format!("/root/conformance-{crate_name}");
    host.copy_in(&program, &there, "0755")?;
    let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for test in tests {
        let mut words = vec!["env"];
        words.extend(settings.iter().map(String::as_str));
        words.extend([there.as_str(), "--exact", test, "--nocapture"]);
        let output = host.run_within(LONGEST, &words)?;
        ensure!(output.is_ok() && output.stdout.contains("1 passed"), "{test}: {}{output}", output.stdout);
    }
    host.run_ok(&["rm", &there]).map(|_| ())
}

/// Where `cargo xtask lab` says that it has built it.
fn program(crate_name: &str) -> Result<PathBuf> {
    let name = format!("SLIPWAY_CONFORMANCE_{}", crate_name.to_uppercase());
    env::var_os(&name)
        .map(PathBuf::from)
        .with_context(|| format!("{name} is not set: call it as `cargo xtask lab test`"))
}
