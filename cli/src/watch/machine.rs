//! One JSON object a line, for programs that follow a run.

use std::io;

use slipway_events::RunState;

use super::view::{Notice, ProgressView};
use super::{Link, Paint};
use crate::screen::Screen;
use crate::shapes::Line;

/// Paints JSON lines.
pub struct Machine<'a>(pub &'a mut Screen);

impl Paint for Machine<'_> {
    fn entry(&mut self, raw: &str, _notices: &[Notice], _view: &ProgressView) -> io::Result<()> {
        self.0.json_line(&Line::Entry { entry: serde_json::from_str(raw).unwrap_or_default() })
    }

    fn progress(&mut self, step: &str, says: &str, _view: &ProgressView) -> io::Result<()> {
        self.0.json_line(&Line::Progress { step: step.to_owned(), says: says.to_owned() })
    }

    fn connection(&mut self, link: Link, says: &str) -> io::Result<()> {
        let state = if link == Link::Lost { "lost" } else { "back" };
        self.0.json_line(&Line::Connection { state, says: says.to_owned() })
    }

    fn tick(&mut self, _view: &ProgressView) -> io::Result<()> {
        Ok(())
    }

    fn ended(&mut self, state: RunState, why: &str) -> io::Result<()> {
        let why = (!why.is_empty()).then(|| why.to_owned());
        self.0.json_line(&Line::Ended { state: state.to_string(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Format;

    #[test]
    fn each_line_is_an_object_with_its_type() {
        let (mut screen, out, _err) = Screen::for_tests(Format::Json, "");
        let mut machine = Machine(&mut screen);
        machine.connection(Link::Lost, "gone").unwrap();
        machine.ended(RunState::NeedsOperator, "w2 does not answer").unwrap();
        assert_eq!(
            out.text(),
            "{\"type\":\"connection\",\"state\":\"lost\",\"says\":\"gone\"}\n{\"type\":\"ended\",\"state\":\"needs-operator\",\"why\":\"w2 does not answer\"}\n"
        );
    }
}
