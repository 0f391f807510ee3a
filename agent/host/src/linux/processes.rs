//! Processes out of procfs. One is ended only if its number and its start time are still the same.

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use procfs::process::{Stat, all_processes};

use super::blocking;
use crate::{Error, Process, Processes};

const KERNEL_THREAD: u32 = 0x0020_0000;

#[derive(Debug)]
pub(super) struct Proc;

fn unreadable(error: procfs::ProcError) -> Error {
    Error::Unreadable { doing: "reading /proc".into(), why: error.to_string() }
}

fn list() -> Result<Vec<Process>, Error> {
    let mut found = Vec::new();
    for process in all_processes().map_err(unreadable)? {
        // One that ends while we look is no longer of interest.
        let Ok(process) = process else { continue };
        let Ok(stat) = process.stat() else { continue };
        if stat.flags & KERNEL_THREAD == 0 && !is_dead(&stat) {
            found.push(Process {
                pid: stat.pid.unsigned_abs(),
                start_time: stat.starttime,
                comm: stat.comm,
                exe: process.exe().ok().map(|path| path.display().to_string()),
                cmdline: process.cmdline().unwrap_or_default(),
            });
        }
    }
    Ok(found)
}

fn is_dead(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X' | 'x')
}

fn end(process: &Process, force: bool) -> Result<(), Error> {
    let pid = i32::try_from(process.pid).map_err(|_| Error::Unreadable {
        doing: "ending a process".into(),
        why: format!("{} is no process number", process.pid),
    })?;
    let same = procfs::process::Process::new(pid)
        .and_then(|now| now.stat())
        .is_ok_and(|stat| stat.starttime == process.start_time);
    if !same {
        return Ok(());
    }
    let signal = if force { Signal::SIGKILL } else { Signal::SIGTERM };
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(nix::errno::Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::os(format!("ending {} (process {pid})", process.comm))(errno)),
    }
}

#[async_trait]
impl Processes for Proc {
    async fn list(&self) -> Result<Vec<Process>, Error> {
        blocking("listing processes", list).await
    }

    async fn end(&self, process: &Process, force: bool) -> Result<(), Error> {
        let process = process.clone();
        blocking("ending a process", move || end(&process, force)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_listed() {
        let me = std::process::id();
        let found = list().unwrap().into_iter().find(|process| process.pid == me).unwrap();
        assert!(found.start_time > 0 && found.exe.is_some());
    }

    #[test]
    fn a_later_process_with_the_same_number_is_left_alone() {
        let me = std::process::id();
        let mut other = list().unwrap().into_iter().find(|process| process.pid == me).unwrap();
        other.start_time += 1;
        // Were it not for the start time, this would end the test.
        end(&other, true).unwrap();
    }
}
