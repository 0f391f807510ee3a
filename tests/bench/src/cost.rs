//! What a program costs from its start to its end: time, processor time of all that it started, and the memory of the largest of them. A
//! process knows these of its children only as a sum over all that ever were, so each program is measured by a process of its own.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};

use crate::part;

/// What was used.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// From the start to the end.
    pub(crate) seconds: f64,
    /// Processor time.
    pub(crate) cpu_seconds: f64,
    /// The most memory that one process had.
    pub(crate) peak_rss_kib: u64,
}

/// Runs `program` in `folder` and counts. Fails where it fails.
pub(crate) fn of(program: &Path, arguments: &[String], folder: &Path) -> anyhow::Result<Cost> {
    let mut words = vec!["cost".to_owned(), "--folder".to_owned(), folder.display().to_string()];
    words.extend(["--".to_owned(), program.display().to_string()]);
    words.extend_from_slice(arguments);
    part::run(&words)
}

/// The part of that process.
pub(crate) fn count(program: &Path, arguments: &[String], folder: &Path) -> anyhow::Result<Cost> {
    let log = std::fs::File::create(folder.join("measured.log"))?;
    let begun = Instant::now();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let status = command.status().with_context(|| format!("starting {}", program.display()))?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(status.success(), "{}", failure(program, status, folder));
    let peak_rss_kib = u64::try_from(getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss())?;
    Ok(Cost { seconds, cpu_seconds: children_seconds()?, peak_rss_kib })
}

/// Processor time of all children that have ended, and of theirs.
pub(crate) fn children_seconds() -> anyhow::Result<f64> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let spent = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(spent(used.user_time()) + spent(used.system_time()))
}

fn failure(program: &Path, status: ExitStatus, folder: &Path) -> String {
    let log = std::fs::read_to_string(folder.join("measured.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    format!("{} failed ({status}):\n{}", program.display(), lines[lines.len().saturating_sub(20)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_says_so_with_its_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let words = ["-c".to_owned(), "echo no; exit 3".to_owned()];
        let error = count(Path::new("/bin/sh"), &words, folder.path()).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("no"), "{error}");
    }

    #[test]
    fn time_and_memory_of_children_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let cost = count(Path::new("/bin/sh"), &["-c".to_owned(), "sleep 0.05; :".to_owned()], folder.path()).unwrap();
        assert!(cost.seconds >= 0.05 && cost.peak_rss_kib > 0, "{cost:?}");
    }
}
