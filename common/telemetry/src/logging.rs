//! Log lines on standard error: in colour for a person, plain in a pipe, and for journald with the priority it understands and without a second
//! time stamp.

use std::io::{self, IsTerminal, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Variables that override the verbosity, the first one set wins.
const VARIABLES: [&str; 2] = ["SLIPWAY_LOG", "RUST_LOG"];
/// Set by systemd for services whose standard error goes to the journal.
const JOURNAL: &str = "JOURNAL_STREAM";

/// What went wrong with setting logging up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter in the environment cannot be read.
    #[error("{variable}={text:?} is no log filter: {why}")]
    Filter {
        /// Which variable.
        variable: &'static str,
        /// What it held.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice,
}

impl From<Error> for slipway_errors::Coded {
    fn from(error: Error) -> Self {
        Self::new(slipway_errors::Code::CONF_BAD_VALUE, error.to_string())
    }
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors: for commands, whose output is something else.
    Quiet,
    /// What happens: for daemons.
    Normal,
    /// Our own details.
    Debug,
    /// Everything, also from below.
    Trace,
}

impl Verbosity {
    /// For a command called with `-v` that many times.
    pub const fn of_command(times: u8) -> Self {
        match times {
            0 => Self::Quiet,
            1 => Self::Normal,
            2 => Self::Debug,
            _ => Self::Trace,
        }
    }

    /// For a daemon called with `-v` that many times.
    pub const fn of_daemon(times: u8) -> Self {
        Self::of_command(times.saturating_add(1))
    }

    const fn filter(self) -> &'static str {
        match self {
            Self::Quiet => "warn",
            Self::Normal => "warn,slipway=info",
            Self::Debug => "info,slipway=debug",
            Self::Trace => "debug,slipway=trace",
        }
    }
}

/// Sets up logging for the process, once.
pub fn init(program: &'static str, verbosity: Verbosity) -> Result<(), Error> {
    let set = VARIABLES.into_iter().find_map(|variable| {
        std::env::var(variable).ok().filter(|text| !text.trim().is_empty()).map(|text| (variable, text))
    });
    let filter = filter(set, verbosity)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_target(verbosity == Verbosity::Trace);
    let done = if std::env::var_os(JOURNAL).is_some() {
        builder.with_ansi(false).without_time().with_level(false).with_writer(Journal).try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).with_writer(io::stderr).try_init()
    };
    done.map_err(|_| Error::Twice)?;
    tracing::debug!(program, version = env!("CARGO_PKG_VERSION"), "logging begins");
    Ok(())
}

fn filter(set: Option<(&'static str, String)>, verbosity: Verbosity) -> Result<EnvFilter, Error> {
    let Some((variable, text)) = set else { return Ok(EnvFilter::new(verbosity.filter())) };
    EnvFilter::try_new(&text).map_err(|why| Error::Filter { variable, text, why: why.to_string() })
}

/// Writes each line with the priority prefix of sd-daemon(3).
struct Journal;

/// One line on its way to the journal.
struct Prefixed<W> {
    priority: &'static str,
    begun: bool,
    inner: W,
}

impl<W: Write> Write for Prefixed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.begun, true) {
            self.inner.write_all(self.priority.as_bytes())?;
        }
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<'a> MakeWriter<'a> for Journal {
    type Writer = Prefixed<io::StderrLock<'a>>;

    fn make_writer(&'a self) -> Self::Writer {
        Prefixed { priority: priority(Level::INFO), begun: false, inner: io::stderr().lock() }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        Prefixed { priority: priority(*about.level()), begun: false, inner: io::stderr().lock() }
    }
}

fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        _ => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_the_journal_bears_its_priority_once() {
        let mut line = Prefixed { priority: priority(Level::WARN), begun: false, inner: Vec::new() };
        line.write_all(b"disk").unwrap();
        line.write_all(b" is full\n").unwrap();
        assert_eq!(line.inner, b"<4>disk is full\n");
    }

    #[test]
    fn a_filter_in_the_environment_wins_and_a_wrong_one_is_named() {
        let set = |text: &str| Some(("SLIPWAY_LOG", text.to_owned()));
        assert_eq!(filter(set("error"), Verbosity::Trace).unwrap().to_string(), "error");
        let refused = filter(set("slipway=loud"), Verbosity::Normal).unwrap_err().to_string();
        assert!(refused.starts_with("SLIPWAY_LOG=\"slipway=loud\""), "{refused}");
    }

    #[test]
    fn a_daemon_says_more_than_a_command() {
        assert_eq!(Verbosity::of_command(0), Verbosity::Quiet);
        assert_eq!(Verbosity::of_daemon(0), Verbosity::Normal);
        assert_eq!(Verbosity::of_daemon(255), Verbosity::Trace);
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Debug, Verbosity::Trace] {
            EnvFilter::try_new(verbosity.filter()).unwrap();
        }
    }
}
