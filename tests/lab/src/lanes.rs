//! Several labs at once, for those who have all tests to run: each in a network and a mount namespace of its own, where the names and addresses
//! that every lab has meet nobody else's. Most of a test is waiting, and what waits beside it costs no time.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::command::command;
use crate::paths;
use crate::registry::TestCase;
use crate::runner::{Selection, Summary, order, selected};

/// More would wait for each other's processors.
const MOST: u8 = 4;

/// Words: the program, with its arguments. systemd-nspawn keeps a folder by the name of each host.
const ALONE: &str =
    r#"ip link set lo up; mkdir -p /run/systemd/nspawn; mount -t tmpfs lab-lane /run/systemd/nspawn; exec "$@""#;

/// Runs the selected tests in so many labs. Each is taken down when its tests are through.
pub fn run_in_lanes(selection: &Selection, lanes: u8, profile: &str) -> Result<Summary> {
    ensure!((2..=MOST).contains(&lanes), "2 to {MOST} labs can be up at once, not {lanes}");
    let shares = share(selected(selection), lanes.into());
    let started: Vec<Lane> = shares
        .iter()
        .enumerate()
        .map(|(index, tests)| Lane::start(index + 1, tests, profile))
        .collect::<Result<_>>()?;
    let mut sum = Summary::default();
    for part in std::thread::scope(|scope| {
        let lanes: Vec<_> = started.into_iter().map(|lane| scope.spawn(|| lane.follow())).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap_or_default()).collect::<Vec<_>>()
    }) {
        sum.passed += part.passed;
        sum.failed += part.failed;
    }
    let all: usize = shares.iter().map(Vec::len).sum();
    // A lane that died has said nothing of the rest of its tests.
    sum.failed += all.saturating_sub(sum.passed + sum.failed);
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(sum)
}

/// The folders of lanes that were ever up.
pub(crate) fn folders() -> Vec<PathBuf> {
    (1..=usize::from(MOST)).map(folder).filter(|folder| folder.is_dir()).collect()
}

fn folder(number: usize) -> PathBuf {
    paths::state().join(format!("lane-{number}"))
}

/// Tests that share a cluster stay together; the longest group goes to whoever has least to do.
fn share(mut tests: Vec<&TestCase>, lanes: usize) -> Vec<Vec<&TestCase>> {
    tests.sort_by_key(|test| order(test.shape, test.cost));
    let mut groups: BTreeMap<String, Vec<&TestCase>> = BTreeMap::new();
    for test in tests {
        let alone = if test.shape.fresh { test.name } else { "" };
        groups.entry(format!("{:?} {alone}", test.shape)).or_default().push(test);
    }
    let cost = |tests: &[&TestCase]| tests.iter().map(|test| test.cost).sum::<u32>();
    let mut groups: Vec<Vec<&TestCase>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(cost(group)));
    let mut shares: Vec<Vec<&TestCase>> = vec![Vec::new(); lanes];
    for group in groups {
        if let Some(least) = shares.iter_mut().min_by_key(|share| cost(share)) {
            least.extend(group);
        }
    }
    shares.retain(|share| !share.is_empty());
    shares
}

struct Lane {
    number: usize,
    child: Child,
}

impl Lane {
    fn start(number: usize, tests: &[&TestCase], profile: &str) -> Result<Self> {
        let this = env::current_exe().context("where this program lies")?;
        let mut lane = command("unshare", ["--net", "--mount", "--", "sh", "-ec", ALONE, "lab-lane"]);
        lane.arg(this).args(["test", "--then-down", "--profile", profile]);
        for test in tests {
            lane.args(["--exactly", test.name]);
        }
        lane.env("SLIPWAY_LAB_DIR", folder(number)).stdout(Stdio::piped());
        Ok(Self { number, child: lane.spawn().with_context(|| format!("start lane {number}"))? })
    }

    /// Says what it says, and returns how it ended.
    fn follow(mut self) -> Summary {
        let mut summary = Summary::default();
        for line in
            self.child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok)
        {
            if let Some(said) = Summary::parse(&line) {
                summary = said;
            } else {
                println!("[{}] {line}", self.number);
            }
        }
        // It has closed its output: whatever its exit code says, its tests were told of one by one.
        let _ = self.child.wait();
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Set;
    use crate::shape::Shape;

    fn test(name: &'static str, cost: u32, shape: Shape) -> TestCase {
        TestCase { name, cost, set: Set::Full, shape, run: |_| Ok(()) }
    }

    #[test]
    fn tests_of_one_cluster_stay_together_and_the_work_is_even() {
        let fresh = Shape { fresh: true, ..Shape::WIDE };
        let all = [
            test("small_a", 10, Shape::SMALL),
            test("small_b", 60, Shape::SMALL),
            test("wide", 50, Shape::WIDE),
            test("fresh_a", 90, fresh),
            test("fresh_b", 40, fresh),
        ];
        let shares = share(all.iter().collect(), 2);
        let names: Vec<Vec<&str>> = shares.iter().map(|share| share.iter().map(|test| test.name).collect()).collect();
        assert_eq!(names, [vec!["fresh_a", "fresh_b"], vec!["small_a", "small_b", "wide"]]);
    }

    #[test]
    fn nobody_gets_nothing_to_do() {
        let one = test("one", 1, Shape::SMALL);
        assert_eq!(share(vec![&one], 3).len(), 1);
    }
}
