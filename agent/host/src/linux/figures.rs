//! What the kernel's own texts say of the machine's load, read without looking at the machine: each function takes one text and gives what is
//! in it, or nothing if it is not in it.

use slipway_proto::types::Pressure;

/// Time that all cores together have spent since the boot, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CpuTime {
    busy: u64,
    all: u64,
}

impl CpuTime {
    /// Which share of the time since `before` something ran, 0 to 100. A virtual machine's time that others had counts: it was not to be had.
    pub(super) fn percent_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let busy = self.busy.saturating_sub(before.busy);
        if all == 0 { 0.0 } else { (busy as f64 / all as f64 * 100.0).clamp(0.0, 100.0) }
    }
}

/// Of `/proc/stat`: the time, and how many cores are in use.
pub(super) fn cpu(stat: &str) -> Option<(CpuTime, u32)> {
    let mut lines = stat.lines();
    let all = lines.next()?.strip_prefix("cpu ")?;
    // Guests' time, which follows, is in the first two already.
    let mut fields = [0_u64; 8];
    for (field, text) in fields.iter_mut().zip(all.split_whitespace()) {
        *field = text.parse().ok()?;
    }
    let [user, nice, system, idle, waits_for_disks, irq, softirq, stolen] = fields;
    let busy = user + nice + system + irq + softirq + stolen;
    let cores = lines.take_while(|line| line.starts_with("cpu")).count();
    Some((CpuTime { busy, all: busy + idle + waits_for_disks }, u32::try_from(cores).ok()?))
}

/// Of `/proc/meminfo`: all of it and what programs can have, in bytes.
pub(super) fn memory(meminfo: &str) -> Option<(u64, u64)> {
    let find = |key: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some((find("MemTotal")?, find("MemAvailable")?))
}

/// Of `/proc/loadavg`: over 1, 5 and 15 minutes.
pub(super) fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut numbers = loadavg.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}

/// Of `/proc/pressure/cpu` and its kind. Kernels before 5.13 have no `full` of processors.
pub(super) fn pressure(text: &str) -> Option<Pressure> {
    let average = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        line.split_whitespace().find_map(|word| word.strip_prefix("avg10="))?.parse::<f64>().ok()
    };
    Some(Pressure { some_avg10: average("some ")?, full_avg10: average("full ").unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 20 30 800 40 1 2 7 50 10\ncpu0 50 10 15 400 20 0 1 3 25 5\ncpu1 50 10 15 400 20 1 1 4 25 5\nintr 5 0 9\nctxt 7\n";

    #[test]
    fn a_share_of_time_lies_between_two_looks_and_guests_count_once() {
        let (before, cores) = cpu(STAT).unwrap();
        assert_eq!((before, cores), (CpuTime { busy: 160, all: 1000 }, 2));
        let (now, _) = cpu(&STAT.replacen("100 20 30 800 40", "115 20 40 870 45", 1)).unwrap();
        let is = |percent: f64, wanted: f64| (percent - wanted).abs() < 1e-9;
        assert!(is(now.percent_since(before), 25.0));
        assert!(is(now.percent_since(now), 0.0), "no time has passed");
        assert!(is(before.percent_since(now), 0.0), "time of waiting for disks may go back");
    }

    #[test]
    fn memory_is_told_in_bytes_and_by_whole_names() {
        let text = "MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:    8000 kB\nMemAvailableNot: 1 kB\n";
        assert_eq!(memory(text), Some((16_384_000, 8_192_000)));
        assert_eq!(memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn loads_are_the_first_three_numbers() {
        assert_eq!(load("0.50 1.25 2.00 1/234 5678\n"), Some([0.5, 1.25, 2.0]));
        assert_eq!(load("0.50 x"), None);
    }

    #[test]
    fn pressure_is_that_of_ten_seconds_and_an_old_kernel_knows_no_full_of_processors() {
        let both = "some avg10=1.50 avg60=0.20 avg300=0.00 total=9\nfull avg10=0.25 avg60=0.10 avg300=0.00 total=3\n";
        assert_eq!(pressure(both), Some(Pressure { some_avg10: 1.5, full_avg10: 0.25 }));
        assert_eq!(pressure("some avg10=1.50 avg60=0.2 avg300=0 total=9\n").map(|it| it.full_avg10), Some(0.0));
        assert_eq!(pressure(""), None);
    }

    #[test]
    fn this_kernel_is_understood() {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let (time, cores) = cpu(&read("/proc/stat")).unwrap();
        assert!(time.all > time.busy && cores > 0);
        assert!(memory(&read("/proc/meminfo")).is_some_and(|(total, available)| total > available));
        assert!(load(&read("/proc/loadavg")).is_some());
    }
}
