//! What both processes use, looked at from outside in the same windows, and set against what they used before they had anybody to hear.

use std::time::{Duration, Instant};

use crate::proc::{self, Process};

/// After that what the beginning needed is over: handshakes, first facts, writing what kubelets speak with.
const SETTLE: Duration = Duration::from_secs(15);

/// What one of them used in a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// More memory than alone, by agent.
    pub(super) rss_kib: f64,
    pub(super) process_mb: f64,
    /// Thousandths of a core, by agent.
    pub(super) milli_cores: f64,
}

/// Both.
pub(super) struct Usage {
    agents: f64,
    pids: [u32; 2],
    alone: [Process; 2],
    windows: Vec<[Spent; 2]>,
}

impl Usage {
    /// While both are alone.
    pub(super) fn begin(agents: usize, ours: u32, peer: u32) -> anyhow::Result<Self> {
        let pids = [ours, peer];
        Ok(Self { agents: agents as f64, pids, alone: look(pids)?, windows: Vec::new() })
    }

    /// While both hear all.
    pub(super) fn watch(&mut self, seconds: u64, windows: usize) -> anyhow::Result<()> {
        std::thread::sleep(SETTLE);
        let span = Duration::from_secs(seconds.div_ceil(windows.max(1) as u64).max(1));
        let (mut at, mut before) = (Instant::now(), look(self.pids)?);
        for _ in 0..windows {
            std::thread::sleep(span);
            let (seconds, now) = (at.elapsed().as_secs_f64(), look(self.pids)?);
            at = Instant::now();
            let spent = |who: usize| self.spent((&before[who], &now[who]), &self.alone[who], seconds);
            self.windows.push([spent(0), spent(1)]);
            before = now;
        }
        Ok(())
    }

    fn spent(&self, (before, now): (&Process, &Process), alone: &Process, seconds: f64) -> Spent {
        Spent {
            rss_kib: now.rss_kib.saturating_sub(alone.rss_kib) as f64 / self.agents,
            process_mb: now.rss_kib as f64 / 1024.0,
            milli_cores: (now.cpu_seconds - before.cpu_seconds) * 1e3 / seconds / self.agents,
        }
    }

    /// One figure of all windows: ours, and the peer's.
    pub(super) fn figures(&self, figure: fn(&Spent) -> f64) -> (Vec<f64>, Vec<f64>) {
        let of = |who: usize| self.windows.iter().map(|window| figure(&window[who])).collect();
        (of(0), of(1))
    }
}

fn look([ours, peer]: [u32; 2]) -> anyhow::Result<[Process; 2]> {
    Ok([proc::look(ours)?, proc::look(peer)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_counts_above_what_was_used_alone_and_by_agent() {
        let of = |rss_kib, cpu_seconds| Process { rss_kib, cpu_seconds, ..Process::default() };
        let usage = Usage { agents: 10.0, pids: [1, 2], alone: [of(1_000, 0.0); 2], windows: Vec::new() };
        let spent = usage.spent((&of(1_000, 1.0), &of(1_400, 1.5)), &of(1_000, 0.0), 5.0);
        assert!((spent.rss_kib - 40.0).abs() < 1e-9 && (spent.milli_cores - 10.0).abs() < 1e-9, "{spent:?}");
    }
}
