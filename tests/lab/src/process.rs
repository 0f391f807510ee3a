//! Who a process is. A number alone is not enough: it is given away again, and the lab kills by it. So the moment of its start
//! and a word of its command line are kept too, and nothing is ended unless all three agree.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::eventually::eventually;

/// A process of ours, as it was recorded when it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// Clock ticks since this machine's boot.
    started: u64,
    /// Something that its command line, and no stranger's, contains.
    mark: String,
}

impl Process {
    /// Reads `PID START`; none if there is no record. The mark is known from elsewhere.
    pub(crate) fn recorded(file: &Path, mark: &str) -> Result<Option<Self>> {
        let text = match fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("read {}", file.display()))?,
        };
        let mut words = text.split_whitespace();
        let (Some(pid), Some(started)) = (words.next(), words.next()) else { bail!("{} is no record", file.display()) };
        Ok(Some(Self { pid: pid.parse()?, started: started.parse()?, mark: mark.to_owned() }))
    }

    /// Whether the very process that was recorded still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let dir = format!("/proc/{}", self.pid);
        let same_start = stat(self.pid).is_some_and(|stat| stat.state != 'Z' && stat.started == self.started);
        same_start
            && fs::read(format!("{dir}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(&self.mark))
    }

    /// Its children now.
    pub(crate) fn children(&self) -> Vec<i32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let listed = fs::read_to_string(path).unwrap_or_default();
        listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Kills it if it still is the one, and waits until it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        if self.is_alive() {
            send_kill(self.pid)?;
        }
        self.wait_gone(Duration::from_secs(20))
    }

    /// Waits until it is gone.
    pub(crate) fn wait_gone(&self, deadline: Duration) -> Result<()> {
        eventually(&format!("process {} to end", self.pid), deadline, || {
            ensure!(!self.is_alive(), "it runs");
            Ok(())
        })
    }
}

/// SIGKILL; a process that is gone is fine.
pub(crate) fn send_kill(pid: i32) -> Result<()> {
    match kill(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("kill {pid}")),
    }
}

/// How deep in process namespaces below ours a process lives, and its number in the innermost.
pub(crate) fn namespaced(pid: i32) -> Option<(usize, i32)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let numbers: Vec<i32> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    Some((numbers.len().checked_sub(1)?, *numbers.last()?))
}

struct Stat {
    state: char,
    started: u64,
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name, in parentheses, may hold anything; fields are counted from behind it.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat { state: fields.first()?.chars().next()?, started: fields.get(19)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_this_very_process_is_alive_and_of_another_start_is_not() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut process = Process { pid, started: stat(pid).unwrap().started, mark: String::new() };
        assert!(process.is_alive());
        process.mark = "no such word".to_owned();
        assert!(!process.is_alive());
        process.mark.clear();
        process.started += 1;
        assert!(!process.is_alive());
    }

    #[test]
    fn a_name_with_a_parenthesis_does_not_shift_the_fields() {
        let line = "7 (a) S b) S 1 7 7 0 -1 4 1 0 0 0 0 0 0 0 20 0 1 0 4711 0";
        assert_eq!(parse_stat(line).map(|stat| (stat.state, stat.started)), Some(('S', 4711)));
    }
}
