//! What the lab says while it works: one line per thing done with the time it took, on standard error, so that standard output
//! stays for results.

use std::time::{Duration, Instant};

use anyhow::Result;

const WORTH_A_LINE: Duration = Duration::from_millis(200);

/// Does something and says how long it took; a thing that was there already is not worth a line.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    if took >= WORTH_A_LINE {
        let end = if result.is_ok() { "" } else { ", failed" };
        eprintln!("lab: {what} ({:.1} s{end})", took.as_secs_f32());
    }
    result
}
