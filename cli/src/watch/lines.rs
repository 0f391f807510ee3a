//! Lines for a pipe or a log: each notice once, and a step's sentence when it changed, but not so often that it drowns the rest.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use slipway_events::RunState;
use slipway_types::Clock;

use super::view::{Notice, ProgressView};
use super::{Link, Paint};
use crate::screen::Screen;

/// The least time between two sentences of one step.
const QUIET: Duration = Duration::from_secs(5);

/// Paints plain lines.
pub struct Lines<'a> {
    screen: &'a mut Screen,
    clock: Arc<dyn Clock>,
    verbose: bool,
    said: BTreeMap<String, (String, Duration)>,
}

impl<'a> Lines<'a> {
    /// On `screen`.
    pub fn new(screen: &'a mut Screen, clock: Arc<dyn Clock>, verbose: bool) -> Self {
        Self { screen, clock, verbose, said: BTreeMap::new() }
    }
}

/// The lines of a notice, with its record when asked for more.
pub fn lines_of(notice: &Notice, verbose: bool) -> Vec<String> {
    let record = notice.record.iter().filter(|_| verbose).map(|line| format!("               | {line}"));
    std::iter::once(notice.line()).chain(record).collect()
}

impl Paint for Lines<'_> {
    fn entry(&mut self, _raw: &str, notices: &[Notice], view: &ProgressView) -> io::Result<()> {
        for line in notices.iter().flat_map(|notice| lines_of(notice, self.verbose)) {
            self.screen.line(line.trim_end())?;
        }
        self.said.retain(|step, _| view.active().any(|active| active.id == *step));
        self.tick(view)
    }

    fn progress(&mut self, _step: &str, _says: &str, view: &ProgressView) -> io::Result<()> {
        self.tick(view)
    }

    fn connection(&mut self, _link: Link, says: &str) -> io::Result<()> {
        self.screen.line(says)
    }

    fn tick(&mut self, view: &ProgressView) -> io::Result<()> {
        let now = self.clock.since_boot();
        for step in view.active() {
            let due = match self.said.get(&step.id) {
                None => true,
                Some((text, at)) => *text != step.says && now.saturating_sub(*at) >= QUIET,
            };
            if due {
                self.screen.line(running(step.number, &step.summary, &step.says))?;
                self.said.insert(step.id.clone(), (step.says.clone(), now));
            }
        }
        Ok(())
    }

    fn ended(&mut self, _state: RunState, _why: &str) -> io::Result<()> {
        Ok(())
    }
}

fn running(number: usize, summary: &str, says: &str) -> String {
    let colon = if says.is_empty() { "" } else { ": " };
    format!("  {:<8} {number:>3} {summary}{colon}{says}", "->")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::Format;
    use slipway_proto::coordinator::{Plan, PlannedStep};
    use slipway_types::{ManualClock, Timestamp};

    #[test]
    fn a_chatty_step_is_heard_every_five_seconds() {
        let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
        let step = PlannedStep { id: "drain-w2".into(), summary: "drain w2".into(), ..Default::default() };
        let mut view = ProgressView::new(&Plan { steps: vec![step], ..Default::default() });
        let started = r#"{"run":"r1","seq":1,"term":1,"actor":"a","at_ms":0,"previous":"","event":"started","step":"drain-w2","attempt":1}"#;
        view.apply(&serde_json::from_str(started).unwrap());
        let (mut screen, out, _err) = Screen::for_tests(Format::Text, "");
        let mut lines = Lines::new(&mut screen, clock.clone(), false);
        lines.entry(started, &[], &view).unwrap();
        for second in 1..=12 {
            clock.advance(Duration::from_secs(1));
            view.says("drain-w2", &format!("waits for {second} s"));
            lines.tick(&view).unwrap();
        }
        assert_eq!(
            out.text(),
            "  ->         1 drain w2\n  ->         1 drain w2: waits for 5 s\n  ->         1 drain w2: waits for 10 s\n"
        );
    }

    #[test]
    fn the_record_is_shown_to_who_asks_for_more() {
        let notice = Notice {
            mark: "done",
            number: Some(3),
            says: "clean".into(),
            took: None,
            record: vec!["removed cni0".into()],
        };
        assert_eq!(lines_of(&notice, false).len(), 1);
        assert_eq!(lines_of(&notice, true)[1].trim(), "| removed cni0");
    }
}
