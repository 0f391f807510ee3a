//! Why a verb ended early, and how that is told: a code with its sentence and way out for people, one JSON object for machines.

use serde::Serialize;
use slipway_errors::{Code, Coded};

use crate::exit::Exit;
use crate::screen::{Format, Screen};
use crate::show::page::Page;

/// Why a verb ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// An error with a code, from here or from the other side.
    #[error(transparent)]
    Coded(#[from] Coded),
    /// The user said no, or could not be asked.
    #[error("not confirmed; nothing was done")]
    Declined,
    /// The output could not be written.
    #[error("writing the output")]
    Output(#[from] std::io::Error),
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::Coded(slipway_proto::status::from_status(&status))
    }
}

#[derive(Serialize)]
struct ErrorShape<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'a str,
    message: &'a str,
    way_out: Option<&'a str>,
}

impl Failure {
    /// Tells it on the error stream, and says how the program ends.
    pub fn report(&self, screen: &mut Screen, verbose: bool) -> Exit {
        let (text, exit) = match self {
            Self::Coded(coded) => (told(coded, screen.format(), verbose), Exit::of_code(coded.code)),
            Self::Declined => (format!("{self}\n"), Exit::Refused),
            // `slipway node list | head` is no error.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Exit::Done,
            Self::Output(error) => (format!("{self}: {error}\n"), Exit::Failed),
        };
        // Nothing is left to tell it to when the error stream is closed too.
        let _ = screen.aside(text.trim_end());
        exit
    }
}

/// The text of a coded error.
pub fn told(error: &Coded, format: Format, verbose: bool) -> String {
    if format == Format::Json {
        let shape = ErrorShape {
            error: Inner { code: error.code.as_str(), message: &error.message, way_out: error.way_out.as_deref() },
        };
        return serde_json::to_string(&shape).unwrap_or_else(|_| error.to_string());
    }
    let mut page = Page::default();
    page.line(format!("{}: {}", error.code, error.message));
    page.lines("  way out: ", &error.way_out);
    if verbose {
        page.line(format!("\n{}", error.code.page()));
    } else {
        page.line(format!("  more:    slipway explain {}", error.code));
    }
    page.into_text()
}

/// A mistake in the arguments that clap cannot see.
pub fn usage(says: impl Into<String>) -> Failure {
    Failure::Coded(Coded::new(Code::WIRE_BAD_REQUEST, says).do_this("slipway VERB --help shows what it takes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Coded {
        Coded::new(Code::NODE_UNKNOWN, "no node w9").do_this("slipway node list shows them")
    }

    #[test]
    fn an_error_has_code_sentence_way_out_and_where_to_read_on() {
        assert_eq!(
            told(&error(), Format::Text, false),
            "SLIP-NODE-001: no node w9\n  way out: slipway node list shows them\n  more:    slipway explain SLIP-NODE-001\n"
        );
    }

    #[test]
    fn verbose_brings_the_page_along() {
        assert!(told(&error(), Format::Text, true).contains("## What not to do"));
    }

    #[test]
    fn a_machine_gets_one_object() {
        let value: serde_json::Value = serde_json::from_str(&told(&error(), Format::Json, false)).unwrap();
        assert_eq!(value["error"]["code"], "SLIP-NODE-001");
        assert_eq!(value["error"]["way_out"], "slipway node list shows them");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let (mut screen, _out, err) = Screen::for_tests(Format::Text, "");
        let closed = Failure::Output(std::io::ErrorKind::BrokenPipe.into());
        assert_eq!(closed.report(&mut screen, false), Exit::Done);
        assert_eq!(err.text(), "");
    }
}
