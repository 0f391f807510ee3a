//! What was reached before: a ratio that has become worse than that by more than a tenth is told, and fails the run. Times are not compared:
//! they are the machine's as much as ours.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

use crate::figure::Figure;
use crate::statistics::Spread;

/// A ratio may be that much worse before anybody is told.
const TOLERANCE: f64 = 0.1;

/// An earlier outcome, as `--json` wrote it.
#[derive(Debug, Deserialize)]
pub(crate) struct Baseline {
    figures: Vec<Earlier>,
}

#[derive(Debug, Deserialize)]
struct Earlier {
    id: String,
    what: String,
    ratio: Option<Spread>,
}

impl Baseline {
    /// Reads it.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(file).with_context(|| file.display().to_string())?;
        serde_json::from_slice(&text).with_context(|| format!("{} is no outcome of a benchmark", file.display()))
    }

    /// A sentence for each ratio that has become worse.
    pub(crate) fn worse(&self, figures: &[Figure]) -> Vec<String> {
        figures.iter().filter_map(|figure| self.judge(figure)).collect()
    }

    fn judge(&self, figure: &Figure) -> Option<String> {
        let now = figure.ratio?.median;
        let same = |earlier: &&Earlier| earlier.id == figure.id && earlier.what == figure.what;
        let before = self.figures.iter().find(same)?.ratio?.median;
        let worse = now < before * (1.0 - TOLERANCE);
        worse.then(|| format!("{} {}: the ratio was {before:.2}, and is {now:.2}", figure.id, figure.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Unit;
    use crate::table;

    fn figure(what: &str, peer: f64) -> Figure {
        Figure::new("B1", what, Unit::Seconds, Spread::once(1.0)).against("peer", &[1.0], &[peer])
    }

    #[test]
    fn only_a_ratio_that_fell_by_more_than_a_tenth_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.json");
        let alone = Figure::new("B1", "alone", Unit::Seconds, Spread::once(1.0));
        std::fs::write(&file, table::json(&[figure("a", 20.0), figure("b", 20.0), alone.clone()]).unwrap()).unwrap();
        let baseline = Baseline::read(&file).unwrap();
        let told = baseline.worse(&[figure("a", 17.9), figure("b", 18.1), figure("new", 1.0), alone]);
        assert_eq!(told, ["B1 a: the ratio was 20.00, and is 17.90"]);
    }

    #[test]
    fn what_is_no_outcome_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        std::fs::write(&file, "[]").unwrap();
        assert!(Baseline::read(&file).unwrap_err().to_string().contains("no outcome"));
    }
}
