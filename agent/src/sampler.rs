//! Looking at the host without making anybody wait. One loop samples, only while somebody asks, and publishes; a heartbeat takes what is
//! there. So a disk that hangs delays figures and never the sign of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_proto::types::{HostFacts, HostMetrics};
use slipway_types::Clock;
use tokio::sync::{Notify, watch};

/// Facts are looked at again after this, or at once when something hints at a change.
pub const FACTS_AGE: Duration = Duration::from_secs(5);
/// Figures are sampled no more often than this.
pub const METRICS_AGE: Duration = Duration::from_millis(200);
/// The most that one look may take.
pub const LONGEST_LOOK: Duration = Duration::from_secs(20);

/// How thorough a look at the facts has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Somebody decides on it, or something has happened: all of it is looked at.
    Anew,
    /// One of those that come every few seconds: what costs much and seldom changes may be that of an earlier look.
    Again,
}

/// Where facts and figures come from.
#[async_trait]
pub trait Source: Send + Sync + std::fmt::Debug {
    /// What the host says of itself now.
    async fn facts(&self, look: Look) -> Result<HostFacts, Coded>;
    /// Of that only which machine it is, and under which boot.
    async fn identity(&self) -> Result<HostFacts, Coded>;
    /// How it is doing now.
    async fn metrics(&self) -> Result<HostMetrics, Coded>;
}

/// The latest of everything; nothing before the first look.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// The last look at facts began after that many hints; none before the first look is over.
    pub covers: Option<u64>,
    /// What the host said of itself.
    pub facts: Option<Arc<HostFacts>>,
    /// How it was doing.
    pub metrics: Option<Arc<HostMetrics>>,
    /// Why the last look failed.
    pub failure: Option<Coded>,
}

/// Samples while somebody asks.
#[derive(Debug)]
pub struct Sampler {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    latest: watch::Sender<Sample>,
    asked: Notify,
    hints: AtomicU64,
}

impl Sampler {
    /// One that waits to be asked; [`Sampler::run`] does the work.
    pub fn new(source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            source,
            clock,
            latest: watch::Sender::new(Sample::default()),
            asked: Notify::new(),
            hints: AtomicU64::new(0),
        })
    }

    /// Samples for ever. Dropping the future ends it.
    pub async fn run(self: Arc<Self>) {
        let mut metrics_at: Option<Duration> = None;
        let mut facts_at: Option<Duration> = None;
        loop {
            self.asked.notified().await;
            if self.is_due(metrics_at, METRICS_AGE) {
                let looked = look(self.source.metrics()).await;
                metrics_at = Some(self.clock.since_boot());
                self.publish(|latest| match looked {
                    Ok(metrics) => latest.metrics = Some(Arc::new(metrics)),
                    Err(error) => latest.failure = Some(error),
                });
            }
            let hints = self.hints.load(Ordering::SeqCst);
            let hinted = self.latest.borrow().covers.is_none_or(|covered| covered < hints);
            if hinted || self.is_due(facts_at, FACTS_AGE) {
                let how = if hinted { Look::Anew } else { Look::Again };
                let looked = look(self.source.facts(how)).await;
                facts_at = Some(self.clock.since_boot());
                self.publish(|latest| {
                    latest.covers = Some(hints);
                    match looked {
                        Ok(facts) => {
                            latest.facts = Some(Arc::new(facts));
                            latest.failure = None;
                        }
                        Err(error) => latest.failure = Some(error),
                    }
                });
            }
        }
    }

    /// Wants figures, and facts where they are old. Returns at once.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Something may have changed on the host: facts are looked at again at the next asking, however new they are. Gives the hint's number.
    pub fn hint(&self) -> u64 {
        self.hints.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The latest, as it is.
    pub fn latest(&self) -> Sample {
        self.latest.borrow().clone()
    }

    /// The latest, after the first look is over; without it where that takes longer than `limit`.
    pub async fn first(&self, limit: Duration) -> Sample {
        self.ask();
        let mut latest = self.latest.subscribe();
        let _ = tokio::time::timeout(limit, latest.wait_for(|sample| sample.covers.is_some())).await;
        self.latest()
    }

    /// Facts of a look that began after the call.
    pub async fn fresh_facts(&self, limit: Duration) -> Result<Arc<HostFacts>, Coded> {
        let mut latest = self.latest.subscribe();
        let hint = self.hint();
        self.ask();
        let covered = latest.wait_for(|sample| sample.covers.is_some_and(|covers| covers >= hint));
        let Ok(Ok(sample)) =
            tokio::time::timeout(limit, covered).await.map(|sample| sample.map(|sample| sample.clone()))
        else {
            return Err(late(limit));
        };
        match (sample.failure, sample.facts) {
            (None, Some(facts)) => Ok(facts),
            (Some(failure), _) => Err(failure),
            (None, None) => Err(Coded::new(Code::INTERNAL, "a look at the host ended without facts")),
        }
    }

    /// Which machine it is now. Whoever commands asks for it each time, so the whole is not looked at for it.
    pub async fn identity(&self, limit: Duration) -> Result<HostFacts, Coded> {
        tokio::time::timeout(limit, self.source.identity()).await.unwrap_or_else(|_| Err(late(limit)))
    }

    fn is_due(&self, last: Option<Duration>, age: Duration) -> bool {
        last.is_none_or(|last| self.clock.since_boot().saturating_sub(last) >= age)
    }

    fn publish(&self, change: impl FnOnce(&mut Sample)) {
        self.latest.send_modify(change);
    }
}

fn late(limit: Duration) -> Coded {
    let said = format!("the host did not answer the agent's look within {} s", limit.as_secs());
    Coded::new(Code::WIRE_DEADLINE, said).do_this("see on the host which disk or service hangs")
}

async fn look<T>(looking: impl Future<Output = Result<T, Coded>>) -> Result<T, Coded> {
    tokio::time::timeout(LONGEST_LOOK, looking).await.unwrap_or_else(|_| {
        let said = format!("a look at the host did not end within {} s", LONGEST_LOOK.as_secs());
        Err(Coded::new(Code::HOST_IO, said).do_this("see on the host which disk or service hangs"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::{ManualClock, Timestamp};
    use std::sync::atomic::AtomicBool;

    #[derive(Debug, Default)]
    struct Counting {
        facts: AtomicU64,
        thorough: AtomicU64,
        metrics: AtomicU64,
        hangs: AtomicBool,
        fails: AtomicBool,
    }

    #[async_trait]
    impl Source for Counting {
        async fn facts(&self, look: Look) -> Result<HostFacts, Coded> {
            self.thorough.fetch_add(u64::from(look == Look::Anew), Ordering::SeqCst);
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::SeqCst) {
                return Err(Coded::new(Code::HOST_IO, "no answer"));
            }
            let count = self.facts.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(HostFacts { kernel: count.to_string(), ..HostFacts::default() })
        }

        async fn identity(&self) -> Result<HostFacts, Coded> {
            Ok(HostFacts::default())
        }

        async fn metrics(&self) -> Result<HostMetrics, Coded> {
            self.metrics.fetch_add(1, Ordering::SeqCst);
            Ok(HostMetrics::default())
        }
    }

    struct Bench {
        source: Arc<Counting>,
        clock: Arc<ManualClock>,
        sampler: Arc<Sampler>,
        _running: tokio::task::JoinSet<()>,
    }

    fn bench() -> Bench {
        let source = Arc::new(Counting::default());
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let sampler = Sampler::new(source.clone(), clock.clone());
        let mut running = tokio::task::JoinSet::new();
        running.spawn(sampler.clone().run());
        Bench { source, clock, sampler, _running: running }
    }

    const SOON: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sampled_until_somebody_asks() {
        let bench = bench();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(bench.source.metrics.load(Ordering::SeqCst), 0);
        assert_eq!(bench.sampler.first(SOON).await.facts.unwrap().kernel, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn facts_are_looked_at_again_when_old_or_when_something_hints() {
        let bench = bench();
        bench.sampler.first(SOON).await;
        let asked = async || {
            bench.sampler.ask();
            tokio::time::sleep(SOON).await;
            bench.source.facts.load(Ordering::SeqCst)
        };
        assert_eq!(asked().await, 1);
        bench.clock.advance(FACTS_AGE);
        assert_eq!(asked().await, 2);
        bench.sampler.hint();
        assert_eq!(asked().await, 3);
        assert_eq!(asked().await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_is_thorough_at_first_and_whenever_somebody_wants_fresh_facts_or_hints() {
        let bench = bench();
        let thorough = || bench.source.thorough.load(Ordering::SeqCst);
        bench.sampler.first(SOON).await;
        assert_eq!(thorough(), 1);
        bench.clock.advance(FACTS_AGE);
        bench.sampler.ask();
        tokio::time::sleep(SOON).await;
        assert_eq!((thorough(), bench.source.facts.load(Ordering::SeqCst)), (1, 2), "one of the usual looks");
        bench.sampler.fresh_facts(SOON).await.unwrap();
        assert_eq!(thorough(), 2);
        bench.sampler.hint();
        bench.sampler.ask();
        tokio::time::sleep(SOON).await;
        assert_eq!(thorough(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn fresh_facts_come_from_a_look_after_the_call() {
        let bench = bench();
        bench.sampler.first(SOON).await;
        assert_eq!(bench.sampler.fresh_facts(SOON).await.unwrap().kernel, "2");
        bench.source.fails.store(true, Ordering::SeqCst);
        assert_eq!(bench.sampler.fresh_facts(SOON).await.unwrap_err().code, Code::HOST_IO);
        assert_eq!(bench.sampler.latest().facts.unwrap().kernel, "2", "the last facts stay for the heartbeat");
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_hangs_ends_the_wait_not_the_sampler() {
        let bench = bench();
        bench.source.hangs.store(true, Ordering::SeqCst);
        assert_eq!(bench.sampler.fresh_facts(SOON).await.unwrap_err().code, Code::WIRE_DEADLINE);
        assert!(bench.sampler.latest().metrics.is_some(), "figures came before the facts hung");
        bench.source.hangs.store(false, Ordering::SeqCst);
        assert!(bench.sampler.fresh_facts(LONGEST_LOOK * 2).await.is_ok());
    }
}
