//! What clients feel who come in by the address for all: a new connection each time, `/readyz` of whoever answers, several clients in turn so that
//! one which hangs hides nothing. The longest time without an answer is the gap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::https::Client;
use crate::lab::Lab;
use crate::scene::administrator;
use crate::shape::VIP;

const CLIENTS: u32 = 4;
/// Of each of them.
const PERIOD: Duration = Duration::from_millis(160);
const CONNECT: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_millis(800);

/// The clients.
pub(crate) struct Entrance {
    began: Instant,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Duration>>>,
}

impl Entrance {
    /// They begin.
    pub(crate) fn watch(lab: &Lab) -> Result<Self> {
        let (credentials, over, began) = (administrator(lab)?, Arc::<AtomicBool>::default(), Instant::now());
        let mut threads = Vec::new();
        for number in 0..CLIENTS {
            let client = Client::new(VIP, &credentials)?.hasty(CONNECT, ANSWER);
            let (ends, first) = (Arc::clone(&over), PERIOD / CLIENTS * number);
            threads.push(thread::spawn(move || come(client, began, first, &ends)));
        }
        Ok(Self { began, over, threads })
    }

    /// They end; the longest time without an answer, from a moment on.
    pub(crate) fn gap_since(mut self, moment: Instant) -> Result<Duration> {
        self.over.store(true, Ordering::Relaxed);
        let end = self.began.elapsed();
        let mut answered = Vec::new();
        for thread in self.threads.drain(..) {
            answered.extend(thread.join().map_err(|_| anyhow!("a client panicked"))?);
        }
        Ok(gap(answered, moment.saturating_duration_since(self.began), end))
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The time up to the end counts too.
fn gap(mut answered: Vec<Duration>, from: Duration, end: Duration) -> Duration {
    answered.retain(|at| (from..=end).contains(at));
    answered.extend([from, end]);
    answered.sort_unstable();
    answered.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default()
}

fn come(mut client: Client, began: Instant, first: Duration, over: &AtomicBool) -> Vec<Duration> {
    let (mut answered, mut turn) = (Vec::new(), first);
    while !over.load(Ordering::Relaxed) {
        thread::sleep(turn.saturating_sub(began.elapsed()));
        client.forget();
        if client.ask("GET", "/readyz", "").is_ok_and(|reply| reply.status == 200) {
            answered.push(began.elapsed());
        }
        turn = (turn + PERIOD).max(began.elapsed());
    }
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_without_an_answer_may_be_the_first_or_the_last() {
        let ms = |list: &[u64]| list.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
        let of = |answered: &[u64], from, end| {
            gap(ms(answered), Duration::from_millis(from), Duration::from_millis(end)).as_millis()
        };
        assert_eq!(of(&[300, 100, 200], 0, 400), 100);
        assert_eq!(of(&[900, 950], 200, 1_000), 700);
        assert_eq!(of(&[100], 0, 1_000), 900);
        assert_eq!(of(&[], 500, 1_000), 500);
    }
}
