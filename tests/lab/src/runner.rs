//! Runs tests on as few clusters as will do, one line each, and leaves what is needed to understand a failure.

use std::cmp::Reverse;
use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::build;
use crate::cluster;
use crate::command::Output;
use crate::host::Host;
use crate::install::{self, Binaries};
use crate::lab::Lab;
use crate::paths;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::state::{Record, State};
use crate::tests::ALL;

/// Which tests to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Those whose name contains this, of either set.
    pub name: Option<String>,
    /// The full set as well.
    pub all: bool,
    /// Those of exactly these names, and no others.
    pub exactly: Vec<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many tests held.
    pub passed: usize,
    /// How many did not.
    pub failed: usize,
}

impl Selection {
    fn takes(&self, test: &TestCase) -> bool {
        if !self.exactly.is_empty() {
            return self.exactly.iter().any(|name| name == test.name);
        }
        match &self.name {
            Some(part) => test.name.contains(part.as_str()),
            None => self.all || test.set == Set::Smoke,
        }
    }
}

impl Summary {
    /// The closing line of a run, if this is one.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (passed, failed) = line.strip_suffix(" failed")?.split_once(" passed, ")?;
        Some(Self { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
    }

    /// Nothing failed, and something was run.
    pub fn is_good(self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

/// Runs the selected tests, smallest cluster first, and prints a line for each and one for all. The lab stays up: the next run
/// finds it warm.
pub fn run_tests(selection: &Selection, binaries: &Binaries) -> Result<Summary> {
    build::check_tools()?;
    let state = State::new(paths::state());
    let _lock = state.lock()?;
    let mut tests = selected(selection);
    tests.sort_by_key(|test| order(test.shape, test.cost));
    let mut summary = Summary::default();
    for test in tests {
        let (result, took) = run_one(test, &state, binaries);
        match result {
            Ok(()) => {
                summary.passed += 1;
                println!("ok     {} ({took:.1} s)", test.name);
            }
            Err(error) => {
                summary.failed += 1;
                println!("FAILED {} ({took:.1} s): {error:#}", test.name);
            }
        }
    }
    if summary == Summary::default() {
        eprintln!("lab: no test has {:?} in its name", selection.name.as_deref().unwrap_or_default());
    }
    println!("{} passed, {} failed", summary.passed, summary.failed);
    Ok(summary)
}

/// All tests of a selection.
pub(crate) fn selected(selection: &Selection) -> Vec<&'static TestCase> {
    ALL.iter().filter(|test| selection.takes(test)).collect()
}

/// Tests that can share a cluster come one after the other, cheap ones first.
pub(crate) fn order(shape: Shape, cost: u32) -> impl Ord {
    // Bare hosts are in nobody's way, so those who need some come first.
    (shape.release, shape.masters, shape.etcd, shape.entrance, Reverse(shape.bare), shape.workers, cost)
}

/// The time is the test's own: that of a cluster which had to be made first is told apart.
fn run_one(test: &TestCase, state: &State, binaries: &Binaries) -> (Result<()>, f32) {
    let lab = match cluster_for(test.shape, state, binaries) {
        Ok(lab) => lab,
        Err(error) => return (Err(error.context("make a cluster")), 0.0),
    };
    let start = Instant::now();
    let result = (test.run)(&lab).and_then(|()| put_back_unless_spent(&lab));
    let took = start.elapsed().as_secs_f32();
    let Err(error) = result else { return (Ok(()), took) };
    keep_evidence(&lab, test.name);
    // What a failed test left is nothing to test on.
    let marked = lab.mark(false).err().map_or_else(String::new, |also| format!("; and then: {also:#}"));
    (Err(anyhow!("{error:#}{marked}")), took)
}

/// The lab that is up if it is large enough, of the right release and whole; else a new one.
pub(crate) fn cluster_for(shape: Shape, state: &State, binaries: &Binaries) -> Result<Lab> {
    if let Some(Record { shape: has, ready: true, .. }) = state.read()?
        && suits(has, shape)
    {
        let lab = Lab::open()?;
        let as_made = lab.hosts().iter().all(Host::is_up) && put_back(&lab).is_ok();
        if as_made && lab.install(binaries).is_ok() {
            return Ok(lab);
        }
    }
    Lab::down_locked(state)?;
    Lab::up_locked(state.clone(), shape, binaries)
}

/// As many masters exactly, since that decides where the API server is; workers and bare hosts may be more.
fn suits(has: Shape, wanted: Shape) -> bool {
    let room = has.workers >= wanted.workers && has.bare >= wanted.bare;
    room && Shape { workers: wanted.workers, bare: wanted.bare, fresh: false, ..has } == wanted
}

/// A test that took the cluster for itself has said so, and the next one gets a new one.
fn put_back_unless_spent(lab: &Lab) -> Result<()> {
    if lab.is_whole()? { put_back(lab) } else { Ok(()) }
}

/// Whether the cluster is as it was made. A test that leaves it otherwise has failed, whatever else it showed.
fn put_back(lab: &Lab) -> Result<()> {
    cluster::wait_ready(lab).context("the cluster was not put back")?;
    let cordoned = lab.kubectl(&["get", "nodes", "--field-selector", "spec.unschedulable=true", "-o", "name"])?;
    ensure!(cordoned.trim().is_empty(), "{} was left cordoned", cordoned.trim());
    Ok(())
}

/// Writes what can still be had into `lab-failures/TEST` of the target folder. The test has failed already; that some of it
/// cannot be had is no second failure.
pub(crate) fn keep_evidence(lab: &Lab, name: &str) {
    let Ok(folder) = install::target().map(|target| target.join("lab-failures").join(name)) else { return };
    if fs::create_dir_all(&folder).is_err() {
        return;
    }
    for host in lab.hosts().iter().filter(|host| host.is_up()) {
        keep(&folder, &format!("{}-slipway.log", host.name()), host, &["journalctl", "--no-pager", "-u", "slipway-*"]);
        keep(&folder, &format!("{}-journal.log", host.name()), host, &["journalctl", "--no-pager", "-n", "2000"]);
        keep(&folder, &format!("{}-kubeadm-calls.log", host.name()), host, &["cat", "/var/log/kubeadm-calls.log"]);
    }
    if let Ok(master) = lab.master() {
        keep(&folder, "cluster.txt", master, &["kubectl", "get", "all,nodes,events", "-A", "-o", "wide"]);
        keep(&folder, "audit.log", master, &["cat", "/var/log/kubernetes/audit.log"]);
    }
    println!("       logs are in {}", folder.display());
}

fn keep(folder: &Path, file: &str, host: &Host, words: &[&str]) {
    let limit = std::time::Duration::from_secs(20);
    let text = host.run_within(limit, words).map_or_else(|error| format!("{error:#}\n"), both);
    let _ = fs::write(folder.join(file), text);
}

fn both(output: Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Etcd;

    #[test]
    fn a_cluster_is_shared_only_where_it_makes_no_difference() {
        let small = Shape::SMALL;
        assert!(suits(Shape { workers: 4, ..small }, small));
        assert!(suits(Shape { bare: 2, ..small }, small));
        assert!(!suits(small, Shape { bare: 2, ..small }));
        assert!(!suits(Shape { workers: 1, ..small }, small));
        assert!(!suits(Shape { masters: 3, ..small }, small));
        assert!(!suits(small, Shape { fresh: true, ..small }));
        assert!(!suits(Shape { etcd: Etcd::External, ..Shape::WIDE }, Shape::WIDE));
    }

    #[test]
    fn the_closing_line_is_told_from_those_of_tests() {
        assert_eq!(Summary::parse("7 passed, 1 failed"), Some(Summary { passed: 7, failed: 1 }));
        assert_eq!(Summary::parse("FAILED join_killed (3.0 s): 1 of 2 hosts passed, it failed"), None);
    }

    #[test]
    fn nothing_run_is_not_good() {
        assert!(!Summary::default().is_good());
    }
}
