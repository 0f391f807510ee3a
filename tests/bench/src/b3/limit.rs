//! The least that a look at the host can cost: reading the same files of the kernel over descriptors that stay open, and nothing else. It is done as
//! often as the others look and in the same minutes: read one after the other without a pause, the same files take half of the time or less, since the
//! processor then still knows the way.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::anyhow;

use crate::proc::thread_cpu_seconds;

const FILES: [&str; 7] = [
    "/proc/stat",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/self/mountinfo",
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
];
const EVERY: Duration = Duration::from_secs(1);

/// A thread that looks once a second, until `Looking::ended`.
pub(super) struct Looking {
    stop: SyncSender<()>,
    thread: JoinHandle<anyhow::Result<f64>>,
}

impl Looking {
    pub(super) fn begin() -> Self {
        let (stop, stopped) = sync_channel(0);
        Self { stop, thread: thread::spawn(move || look(&stopped)) }
    }

    /// Microseconds of the processor for one look.
    pub(super) fn ended(self) -> anyhow::Result<f64> {
        drop(self.stop);
        self.thread.join().map_err(|_| anyhow!("who looks at the host panicked"))?
    }
}

fn look(stopped: &Receiver<()>) -> anyhow::Result<f64> {
    // A kernel without pressure figures has less to tell.
    let files: Vec<File> = FILES.iter().filter_map(|file| File::open(file).ok()).collect();
    let mut buffer = vec![0; 64 * 1024];
    let (before, mut looks) = (thread_cpu_seconds()?, 0_u32);
    loop {
        for file in &files {
            file.read_at(&mut buffer, 0)?;
        }
        nix::sys::statvfs::statvfs("/")?;
        looks += 1;
        if stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return Ok((thread_cpu_seconds()? - before) * 1e6 / f64::from(looks));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_takes_time_and_looking_comes_to_its_end() {
        let looking = Looking::begin();
        assert!(looking.ended().unwrap() > 0.0);
    }
}
