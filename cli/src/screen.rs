//! Where text goes and questions are answered. A value of its own, so that tests stand in for the terminal.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;

/// What the output is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines; the shapes stand in docs/cli.md.
    Json,
}

/// The width where none is known.
const WIDTH_OF_A_PIPE: usize = 100;
const NARROWEST: usize = 60;
const WIDEST: usize = 160;

/// Output, error stream and input of the program.
pub struct Screen {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    input: Box<dyn BufRead + Send>,
    format: Format,
    width: usize,
    /// Somebody sits at the input and can answer.
    pub can_ask: bool,
    /// The output is a terminal, so lines can move.
    pub is_live: bool,
}

impl Screen {
    /// That of this process.
    pub fn of_process(format: Format) -> Self {
        let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
        let (_rows, columns) = console::Term::stderr().size();
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::new(io::stdin())),
            format,
            width: if terminal { usize::from(columns).clamp(NARROWEST, WIDEST) } else { WIDTH_OF_A_PIPE },
            can_ask: io::stdin().is_terminal() && io::stderr().is_terminal(),
            is_live: terminal && format == Format::Text,
        }
    }

    /// One that keeps what is written and answers with `input`.
    pub fn for_tests(format: Format, input: &'static str) -> (Self, Kept, Kept) {
        let (out, err) = (Kept::default(), Kept::default());
        let screen = Self {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(input.as_bytes()),
            format,
            width: WIDTH_OF_A_PIPE,
            can_ask: !input.is_empty(),
            is_live: false,
        };
        (screen, out, err)
    }

    /// What the output is made for.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// How many columns there are.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Writes a line of the answer.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", text.as_ref())?;
        self.out.flush()
    }

    /// Writes a line beside the answer: a note, a question, an error.
    pub fn aside(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.err, "{}", text.as_ref())?;
        self.err.flush()
    }

    /// Writes `value` as one line of JSON.
    pub fn json_line(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.line(text)
    }

    /// Writes `value` as JSON over several lines.
    pub fn json(&mut self, value: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.line(text)
    }

    /// Asks, and gives the answer without its line end; none at the end of the input.
    pub fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(self.err, "{question} ")?;
        self.err.flush()?;
        let mut answer = String::new();
        let read = self.input.read_line(&mut answer)?;
        Ok((read > 0).then(|| answer.trim().to_owned()))
    }
}

/// What a test's screen has kept.
#[derive(Clone, Default)]
pub struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    /// All of it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_goes_beside_the_answer_and_the_end_of_input_is_no_answer() {
        let (mut screen, out, err) = Screen::for_tests(Format::Text, "y\n");
        assert_eq!(screen.ask("Proceed? [y/N]").unwrap(), Some("y".to_owned()));
        assert_eq!(screen.ask("Proceed? [y/N]").unwrap(), None);
        assert_eq!(out.text(), "");
        assert_eq!(err.text(), "Proceed? [y/N] Proceed? [y/N] ");
    }
}
