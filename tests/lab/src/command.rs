//! Every program of this machine that the lab runs is run here, so that each failure names the program, its arguments and
//! what it said, and a lab that broke can be understood from one message.

use std::ffi::OsStr;
use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What a program that ended has left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// All of standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// All of standard error, invalid UTF-8 replaced.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with 0.
    pub fn is_ok(&self) -> bool {
        self.code == Some(0)
    }

    /// An error unless it ended with 0.
    pub fn ok(&self) -> Result<()> {
        if self.is_ok() { Ok(()) } else { bail!("{self}") }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "exit {code}")?,
            None => f.write_str("ended by a signal")?,
        }
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        if !said.trim().is_empty() {
            write!(f, ": {}", last_lines(said, 12))?;
        }
        Ok(())
    }
}

impl From<std::process::Output> for Output {
    fn from(raw: std::process::Output) -> Self {
        Self {
            code: raw.status.code(),
            stdout: String::from_utf8_lossy(&raw.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&raw.stderr).into_owned(),
        }
    }
}

/// A command with no input, in the C locale.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Runs it to its end, whatever that is.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let raw = command.output().with_context(|| format!("start {}", shown(command)))?;
    Ok(raw.into())
}

/// Runs it and takes nothing but success; returns its standard output.
pub(crate) fn check(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.is_ok() {
        bail!("{}: {output}", shown(command));
    }
    Ok(output.stdout)
}

/// `check` of a program with plain arguments.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String> {
    check(&mut command(program, args))
}

fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    let line = words.join(" ");
    if line.len() > 400 { format!("{}...", line.chars().take(400).collect::<String>()) } else { line }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_its_last_words() {
        let error = check(&mut command("sh", ["-c", "echo out; echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("sh -c"), "{error}");
        assert!(error.ends_with("exit 3: why"), "{error}");
    }
}
