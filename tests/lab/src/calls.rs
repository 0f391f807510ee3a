//! What kubeadm was called for on a host, as its witness wrote it down: proof that no effect happened twice, whoever says so.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::eventually::eventually;
use crate::host::Host;

const LOG: &str = "/var/log/kubeadm-calls.log";
/// Where the witness reads how long it is to wait.
const DELAY: &str = "/run/lab-kubeadm-delay";
/// Where the witness reads what is to go wrong.
const MOOD: &str = "/run/lab-kubeadm-mood";

/// What can go wrong with a call of kubeadm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It never does anything, nor ends.
    HangBefore,
    /// All is done, and it does not end.
    HangAfter,
    /// It ends with 0, and nothing was done.
    Lie,
    /// It ends with 1, and nothing was done.
    FailBefore,
    /// It ends with 1, and all was done.
    FailAfter,
    /// All is done, and what it says is no text.
    Garble,
}

impl Mood {
    fn word(self) -> &'static str {
        match self {
            Self::HangBefore => "hang-before",
            Self::HangAfter => "hang-after",
            Self::Lie => "lie",
            Self::FailBefore => "fail-before",
            Self::FailAfter => "fail-after",
            Self::Garble => "garble",
        }
    }
}

/// One call of kubeadm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeadmCall {
    /// When it started, RFC 3339, UTC.
    pub time: String,
    /// The number of its process on the host.
    pub pid: u32,
    /// Its arguments, without its name.
    pub argv: Vec<String>,
    /// How it ended; none if it still runs or was cut off.
    pub exit: Option<i32>,
}

impl Host {
    /// All calls of kubeadm on this host since it was made, oldest first.
    pub fn kubeadm_calls(&self) -> Result<Vec<KubeadmCall>> {
        if !self.has_path(LOG)? {
            return Ok(Vec::new());
        }
        parse(&self.read_file(LOG)?)
    }

    /// Makes each call of kubeadm take this many seconds longer, so that something can happen meanwhile; 0 ends it, as does a boot.
    pub fn slow_kubeadm(&self, seconds: u32) -> Result<()> {
        self.write_file(DELAY, "0644", seconds.to_string())
    }

    /// Makes each call of kubeadm with these words, such as `upgrade apply`, go wrong in this way, until `soothe_kubeadm` or a boot.
    pub fn upset_kubeadm(&self, mood: Mood, verb: &str) -> Result<()> {
        self.write_file(MOOD, "0644", format!("{} {verb}\n", mood.word()))
    }

    /// Ends what `upset_kubeadm` began; for a call that hangs already it comes too late.
    pub fn soothe_kubeadm(&self) -> Result<()> {
        self.run_ok(&["rm", "-f", MOOD]).map(|_| ())
    }

    /// Waits until a call of kubeadm with this verb is under way.
    pub fn wait_kubeadm_runs(&self, verb: &str, deadline: Duration) -> Result<()> {
        eventually(&format!("kubeadm {verb} to run on {}", self.name()), deadline, || {
            let calls = self.kubeadm_calls()?;
            let runs = calls
                .last()
                .is_some_and(|call| call.exit.is_none() && call.argv.first().is_some_and(|word| word == verb));
            ensure!(runs, "the last call was {:?}", calls.last());
            Ok(())
        })
    }
}

#[derive(Deserialize)]
struct Line {
    time: String,
    event: String,
    pid: u32,
    argv: Vec<String>,
    exit: Option<i32>,
}

fn parse(text: &str) -> Result<Vec<KubeadmCall>> {
    let mut calls: Vec<KubeadmCall> = Vec::new();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("line of the witness {line:?}"))?;
        // A number may come again after a reboot: an end belongs to the latest call of that number.
        match calls.iter_mut().rev().find(|call| line.event == "end" && call.pid == line.pid && call.exit.is_none()) {
            Some(call) => call.exit = line.exit,
            None => calls.push(KubeadmCall { time: line.time, pid: line.pid, argv: line.argv, exit: None }),
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_finds_its_call_and_a_cut_off_call_has_none() {
        let text = r#"{"time":"a","event":"start","pid":7,"argv":["join"]}
{"time":"b","event":"start","pid":8,"argv":["reset","-f"]}
{"time":"c","event":"end","pid":7,"argv":["join"],"exit":0}
"#;
        let calls = parse(text).unwrap();
        assert_eq!(calls.iter().map(|call| call.exit).collect::<Vec<_>>(), [Some(0), None]);
        assert_eq!(calls[1].argv, ["reset", "-f"]);
    }
}
