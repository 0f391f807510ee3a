//! Parts of a benchmark that need a process of their own: this program once more, which answers with one line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A part at work. It ends when this goes.
pub(crate) struct Part {
    child: Child,
    words: ChildStdin,
    lines: BufReader<ChildStdout>,
}

impl Part {
    /// Starts it.
    pub(crate) fn start(arguments: &[String]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("part").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting a part of the benchmark")?;
        let words = child.stdin.take().context("a part that hears nothing")?;
        let lines = BufReader::new(child.stdout.take().context("a part without output")?);
        Ok(Self { child, words, lines })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether its process is no more.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill(Pid::from_raw(i32::try_from(self.pid())?), signal)?)
    }

    /// Lets it go on, where it waits for that.
    pub(crate) fn go_on(&mut self) -> anyhow::Result<()> {
        Ok(self.words.write_all(b"\n")?)
    }

    /// What it says next.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let mut line = String::new();
        self.lines.read_line(&mut line)?;
        if line.is_empty() {
            anyhow::bail!("a part of the benchmark ended without an answer ({})", self.child.wait()?);
        }
        serde_json::from_str(&line).with_context(|| format!("a part of the benchmark said {line:?}"))
    }

    /// What it says last, after which it ends well.
    pub(crate) fn last_answer<T: DeserializeOwned>(mut self) -> anyhow::Result<T> {
        let answer = self.answer()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "a part of the benchmark failed ({status})");
        Ok(answer)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a part to its end, and gives what it said.
pub(crate) fn run<T: DeserializeOwned>(arguments: &[String]) -> anyhow::Result<T> {
    Part::start(arguments)?.last_answer()
}

/// How a part says something.
pub(crate) fn say(what: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(what)?);
    Ok(())
}

/// Waits until whoever started this part lets it go on, or is there no more.
pub(crate) async fn wait() -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await?.map(drop)?)
}

/// As many open files as this machine lets us have: each agent and each connection is one.
pub(crate) fn open_many_files() -> anyhow::Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}
