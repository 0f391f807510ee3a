//! A terminal: what has ended stands above, and below it one moving line for each step that runs, with its latest sentence.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use slipway_events::RunState;

use super::lines::lines_of;
use super::view::{Notice, ProgressView};
use super::{Link, Paint};

/// Paints on a terminal.
pub struct Live {
    all: MultiProgress,
    bars: BTreeMap<String, ProgressBar>,
    style: ProgressStyle,
    verbose: bool,
}

impl Live {
    /// On the process's own terminal.
    pub fn new(verbose: bool) -> Self {
        Self::on(MultiProgress::new(), verbose)
    }

    fn on(all: MultiProgress, verbose: bool) -> Self {
        let style = ProgressStyle::with_template("  {spinner}        {prefix:>3} {wide_msg} {elapsed:>4}");
        // Bars and elapsed time alone, should the template ever be refused.
        Self { all, bars: BTreeMap::new(), style: style.unwrap_or_else(|_| ProgressStyle::default_spinner()), verbose }
    }

    fn redraw(&mut self, view: &ProgressView) {
        self.bars.retain(|id, bar| {
            let runs = view.active().any(|step| step.id == *id);
            if !runs {
                bar.finish_and_clear();
            }
            runs
        });
        for step in view.active() {
            let bar = self.bars.entry(step.id.clone()).or_insert_with(|| {
                let bar = self
                    .all
                    .add(ProgressBar::new_spinner())
                    .with_style(self.style.clone())
                    .with_prefix(step.number.to_string());
                bar.enable_steady_tick(Duration::from_millis(120));
                bar
            });
            let colon = if step.says.is_empty() { "" } else { ": " };
            bar.set_message(format!("{}{colon}{}", step.summary, step.says));
        }
    }
}

impl Paint for Live {
    fn entry(&mut self, _raw: &str, notices: &[Notice], view: &ProgressView) -> io::Result<()> {
        for line in notices.iter().flat_map(|notice| lines_of(notice, self.verbose)) {
            self.all.println(line)?;
        }
        self.redraw(view);
        Ok(())
    }

    fn progress(&mut self, _step: &str, _says: &str, view: &ProgressView) -> io::Result<()> {
        self.redraw(view);
        Ok(())
    }

    fn connection(&mut self, _link: Link, says: &str) -> io::Result<()> {
        self.all.println(says)
    }

    fn tick(&mut self, _view: &ProgressView) -> io::Result<()> {
        Ok(())
    }

    fn ended(&mut self, _state: RunState, _why: &str) -> io::Result<()> {
        self.bars.clear();
        self.all.clear()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, ProgressDrawTarget};
    use slipway_proto::coordinator::{Plan, PlannedStep};

    #[test]
    fn what_ended_stands_above_what_runs() {
        let step = |id: &str| PlannedStep { id: id.into(), summary: id.replace('-', " "), ..Default::default() };
        let mut view =
            ProgressView::new(&Plan { steps: vec![step("cordon-w2"), step("drain-w2")], ..Default::default() });
        let terminal = InMemoryTerm::new(12, 100);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut live = Live::on(MultiProgress::with_draw_target(target), false);
        for (seq, rest) in [
            (1, r#""started","step":"cordon-w2","attempt":1"#),
            (2, r#""done","step":"cordon-w2","record":[]"#),
            (3, r#""started","step":"drain-w2","attempt":1"#),
        ] {
            let raw =
                format!(r#"{{"run":"r1","seq":{seq},"term":1,"actor":"a","at_ms":0,"previous":"","event":{rest}}}"#);
            let notices = view.apply(&serde_json::from_str(&raw).unwrap());
            live.entry(&raw, &notices, &view).unwrap();
        }
        view.says("drain-w2", "9 gone, 4 wait");
        live.progress("drain-w2", "9 gone, 4 wait", &view).unwrap();
        live.bars["drain-w2"].tick();
        let shown = terminal.contents();
        let (done, runs) = (shown.find("cordon w2").unwrap(), shown.find("drain w2: 9 gone, 4 wait").unwrap());
        assert!(done < runs, "{shown}");
        live.ended(RunState::Completed, "").unwrap();
        assert!(!terminal.contents().contains("drain w2"), "{}", terminal.contents());
    }
}
