//! The peer: a playbook of ten tasks in the cheapest form that ansible-core has, `raw` over a local connection, with the number of forks and
//! the strategy that serve it best on this machine at this time.

use std::fmt::{Display, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::STEPS;
use crate::cost::{self, Cost};

const FORKS: [usize; 3] = [5, 10, 25];
const STRATEGIES: [&str; 2] = ["linear", "free"];

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    forks: usize,
    strategy: &'static str,
}

impl Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "raw, {}, {} forks", self.strategy, self.forks)
    }
}

/// The playbook on disk.
pub(super) struct Playbook {
    binary: PathBuf,
    folder: PathBuf,
}

impl Playbook {
    /// Writes inventory and playbooks for so many hosts.
    pub(super) fn write(binary: &Path, folder: &Path, hosts: usize) -> anyhow::Result<Self> {
        std::fs::write(folder.join("hosts.ini"), inventory(hosts))?;
        std::fs::write(
            folder.join("ansible.cfg"),
            "[defaults]\nretry_files_enabled = False\nstdout_callback = minimal\n",
        )?;
        for strategy in STRATEGIES {
            std::fs::write(folder.join(format!("{strategy}.yml")), tasks(strategy))?;
        }
        Ok(Self { binary: binary.to_owned(), folder: folder.to_owned() })
    }

    /// The way in which it is the fastest now.
    pub(super) fn best(&self) -> anyhow::Result<Way> {
        let mut all = Vec::new();
        for strategy in STRATEGIES {
            for forks in FORKS {
                let way = Way { forks, strategy };
                let seconds = self.play(&way)?.seconds;
                eprintln!("  ansible-core, {way}: {seconds:.2} s");
                all.push((seconds, way));
            }
        }
        let best = all.into_iter().min_by(|(one, _), (other, _)| one.total_cmp(other));
        Ok(best.context("no way to ask ansible-core")?.1)
    }

    /// Plays it once.
    pub(super) fn play(&self, way: &Way) -> anyhow::Result<Cost> {
        let (forks, book) = (way.forks.to_string(), format!("{}.yml", way.strategy));
        let words = ["-i", "hosts.ini", "--forks", &forks, &book].map(str::to_owned);
        cost::of(&self.binary, &words, &self.folder)
    }
}

fn inventory(hosts: usize) -> String {
    let mut text = "[all]\n".to_owned();
    for number in 0..hosts {
        let _ = writeln!(text, "w{number} ansible_connection=local");
    }
    text
}

fn tasks(strategy: &str) -> String {
    let mut text = format!("- hosts: all\n  gather_facts: false\n  strategy: {strategy}\n  tasks:\n");
    for number in 1..=STEPS {
        let _ = writeln!(text, "    - name: step {number}\n      ansible.builtin.raw: /bin/true");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_gets_as_many_hosts_and_tasks_as_we_do() {
        assert_eq!(inventory(3).matches("ansible_connection=local").count(), 3);
        assert_eq!(tasks("free").matches("raw: /bin/true").count(), STEPS);
        assert!(tasks("free").contains("strategy: free"));
    }
}
