//! The one way to wait in the lab. Nothing here sleeps for a fixed time: a condition is asked for until it holds, and a wait
//! that fails says what it waited for and what it saw last.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Asks `probe` until it returns `Ok`, for at most `deadline`. `what` completes the sentence "waited 30 s for ...".
///
/// The probe is asked at least once, and once more at the very end.
pub fn eventually<T>(what: &str, deadline: Duration, mut probe: impl FnMut() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let late = start.elapsed() >= deadline;
        match probe() {
            Ok(value) => return Ok(value),
            Err(last) if late => {
                return Err(anyhow!("waited {} s for {what}; last seen: {last:#}", deadline.as_secs_f32()));
            }
            Err(_) => {}
        }
        thread::sleep(pause.min(deadline.saturating_sub(start.elapsed())));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Asks `probe` over and over for all of `time`; the first `Err` ends it. For what must not happen: there is no moment at which
/// it has not happened for good, only a time that is long enough.
pub(crate) fn holds(what: &str, time: Duration, mut probe: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < time {
        probe().map_err(|error| {
            anyhow!(
                "{what} was to hold for {} s and ended after {} s: {error:#}",
                time.as_secs(),
                start.elapsed().as_secs()
            )
        })?;
        thread::sleep(LONGEST_PAUSE);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::ensure;

    #[test]
    fn it_returns_as_soon_as_the_condition_holds() {
        let mut asked = 0;
        let seen = eventually("three", Duration::from_secs(5), || {
            asked += 1;
            ensure!(asked == 3, "only {asked}");
            Ok(asked)
        });
        assert_eq!(seen.unwrap(), 3);
    }

    #[test]
    fn what_must_hold_is_asked_until_its_first_failure() {
        let mut asked = 0;
        let result = holds("quiet", Duration::from_mins(1), || {
            asked += 1;
            ensure!(asked < 2, "a noise");
            Ok(())
        });
        assert!(result.unwrap_err().to_string().ends_with("a noise"));
        assert_eq!(asked, 2);
    }

    #[test]
    fn a_wait_in_vain_says_for_what_and_what_it_saw() {
        let error = eventually::<()>("rain", Duration::ZERO, || Err(anyhow!("sun"))).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for rain; last seen: sun");
    }
}
