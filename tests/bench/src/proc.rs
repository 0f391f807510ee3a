//! What the kernel counts of a process: memory, processor time, and how often it woke.

use std::path::Path;

use anyhow::Context;
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use serde::Serialize;

/// A process at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Process {
    /// Memory that is present, in KiB.
    pub(crate) rss_kib: u64,
    /// Of that what no file stands behind.
    pub(crate) anonymous_kib: u64,
    /// Processor time of all its threads, those that have ended too, and of children that have ended.
    pub(crate) cpu_seconds: f64,
    /// How often one of its present threads went to sleep by itself.
    pub(crate) sleeps: u64,
}

/// Looks at a process.
pub(crate) fn look(pid: u32) -> anyhow::Result<Process> {
    let folder = Path::new("/proc").join(pid.to_string());
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    };
    let status = read("status")?;
    let mut sleeps = 0;
    for thread in std::fs::read_dir(folder.join("task")).context("the threads of the process")? {
        // A thread may end between the two.
        let Ok(status) = std::fs::read_to_string(thread?.path().join("status")) else { continue };
        sleeps += number_in(&status, "voluntary_ctxt_switches").unwrap_or_default();
    }
    Ok(Process {
        rss_kib: number_in(&status, "VmRSS").context("no VmRSS")?,
        anonymous_kib: number_in(&status, "RssAnon").context("no RssAnon")?,
        cpu_seconds: cpu_seconds(pid)? + children_seconds(&read("stat")?).context("no time of children")?,
        sleeps,
    })
}

/// The processor time of a process: to the nanosecond, where /proc counts in hundredths of a second.
fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?))?;
    Ok(std::time::Duration::from(clock_gettime(clock)?).as_secs_f64())
}

/// The processor time of this thread.
pub(crate) fn thread_cpu_seconds() -> anyhow::Result<f64> {
    Ok(std::time::Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?).as_secs_f64())
}

/// The processor time of this process.
pub(crate) fn own_cpu_seconds() -> anyhow::Result<f64> {
    Ok(std::time::Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?).as_secs_f64())
}

/// The machine's load average over a minute; 0 where the kernel does not tell.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// What figures were measured on, for whoever compares them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    memory_mib: u64,
    kernel: String,
    processor: String,
}

/// This machine.
pub(crate) fn machine() -> Machine {
    let read = |name: &str| std::fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default();
    let cpus = read("cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Machine {
        cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        memory_mib: number_in(&read("meminfo"), "MemTotal").unwrap_or_default() / 1024,
        kernel: read("sys/kernel/osrelease").trim().to_owned(),
        processor: model.map(|(_, name)| name.trim().to_owned()).unwrap_or_default(),
    }
}

/// A number of `/proc/PID/status`, or of another list of that form.
fn number_in(status: &str, key: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// What children that have ended used, of `/proc/PID/stat`. The name in it may have any characters, so it is read from behind the last `)`.
fn children_seconds(stat: &str) -> Option<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some((ticks(16)? + ticks(17)?) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nRssAnon:\t   50 kB\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t7\n";

    #[test]
    fn numbers_are_found_by_their_whole_name() {
        assert_eq!(number_in(STATUS, "VmRSS"), Some(200));
        assert_eq!(number_in(STATUS, "voluntary_ctxt_switches"), Some(7));
        assert_eq!(number_in(STATUS, "Rss"), None);
        assert_eq!(number_in(STATUS, "Name"), None);
    }

    #[test]
    fn a_name_with_brackets_and_spaces_shifts_no_field() {
        let stat = "42 (a) b) 3) S 1 1 1 0 -1 0 0 0 0 0 11 12 150 50 20 0 1 0 0 0";
        assert_eq!(children_seconds(stat), Some(2.0));
        assert_eq!(children_seconds("42 (x) S 1"), None);
    }

    #[test]
    fn the_machine_is_told() {
        let told = machine();
        assert!(told.cores > 0 && told.memory_mib > 0 && told.kernel.contains('.'), "{told:?}");
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let seen = look(std::process::id()).unwrap();
        assert!(seen.rss_kib >= seen.anonymous_kib && seen.anonymous_kib > 0 && seen.cpu_seconds > 0.0, "{seen:?}");
    }
}
