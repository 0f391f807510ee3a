//! Three coordinators over one store, and the ways in which the one that leads comes to an end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::Signal;
use tokio::runtime::Runtime;

use super::candidate::name;
use super::obeyed::Log;
use crate::part::{self, Part};

const COUNT: usize = 3;
/// A new leader has to be obeyed by then.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what an old leader may still try, and until those that stand by watch again.
const SETTLES: Duration = Duration::from_millis(1_500);

/// How a leader ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is told to stop, and gives its leadership up.
    Told,
    /// Its process is killed, and its unit says so in the store.
    KilledUnderItsUnit,
    /// Its process is killed, and nobody says anything: its host is gone too.
    Killed,
    /// It stands still, and comes back when another one leads.
    Stopped,
}

impl End {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Told, Self::KilledUnderItsUnit, Self::Killed, Self::Stopped];
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failover {
    /// From the end of the old leader to the first command of the new one that an agent took.
    pub(super) ms: f64,
    /// Commands of the old one that agents took afterwards.
    pub(super) stale: usize,
}

/// The three.
pub(super) struct Trio<'a> {
    pub(super) reactor: &'a Runtime,
    pub(super) log: Arc<Log>,
    pub(super) store: Vec<String>,
    pub(super) folder: PathBuf,
    parts: [Option<Part>; COUNT],
}

impl<'a> Trio<'a> {
    /// Starts them, and waits until one of them is obeyed.
    pub(super) fn start(
        reactor: &'a Runtime,
        log: Arc<Log>,
        store: Vec<String>,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        let mut trio = Self { reactor, log, store, folder, parts: [const { None }; COUNT] };
        let begun = Instant::now();
        trio.revive(0)?;
        trio.obeys_another("nobody", begun)?;
        trio.all_at_work()?;
        Ok(trio)
    }

    /// As their units would: one that campaigned and lost the leadership to another that campaigned has ended by itself.
    fn all_at_work(&mut self) -> anyhow::Result<()> {
        for index in 0..COUNT {
            let ended = self.parts[index].as_mut().map_or(Ok(true), Part::has_ended)?;
            if ended {
                self.revive(index)?;
            }
        }
        Ok(())
    }

    fn revive(&mut self, index: usize) -> anyhow::Result<()> {
        let mut words = self.words("candidate", index);
        words.extend(["--folder".to_owned(), self.folder.display().to_string()]);
        let mut part = Part::start(&words)?;
        let _: String = part.answer()?;
        self.parts[index] = Some(part);
        Ok(())
    }

    fn words(&self, what: &str, index: usize) -> Vec<String> {
        let (number, store) = ((index + 1).to_string(), self.store.join(","));
        [what, "--number", &number, "--store", &store].map(str::to_owned).to_vec()
    }

    fn obeys_another(&self, old: &str, since: Instant) -> anyhow::Result<Instant> {
        let another = self.reactor.block_on(self.log.another(old, since, PATIENCE));
        another.with_context(|| format!("after {old}, nobody was obeyed within {} s", PATIENCE.as_secs()))
    }

    /// The leader ends like that: what follows. Then all three are at work again.
    pub(super) fn lose_the_leader(&mut self, end: End) -> anyhow::Result<Failover> {
        std::thread::sleep(SETTLES);
        let old = self.log.leader().context("nobody leads")?;
        let index = (0..COUNT)
            .find(|index| name(index + 1) == old)
            .with_context(|| format!("{old:?} leads, and is none of ours"))?;
        let mut part = self.parts[index].take().context("a leader without a process")?;
        let begun = Instant::now();
        match end {
            End::Told => part.go_on()?,
            End::KilledUnderItsUnit => {
                part.signal(Signal::SIGKILL)?;
                let () = part::run(&self.words("gone", index))?;
            }
            End::Killed => part.signal(Signal::SIGKILL)?,
            End::Stopped => part.signal(Signal::SIGSTOP)?,
        }
        let taken_over = self.obeys_another(&old, begun)?;
        if end == End::Stopped {
            part.signal(Signal::SIGCONT)?;
        }
        std::thread::sleep(SETTLES);
        let stale = self.log.taken_from(&old, taken_over);
        drop(part);
        self.all_at_work()?;
        Ok(Failover { ms: taken_over.duration_since(begun).as_secs_f64() * 1e3, stale })
    }
}
