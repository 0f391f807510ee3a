//! One line of the outcome: our figure, the peer's, the ratio of both, the floor, and what was to be reached.

use serde::Serialize;

use crate::statistics::{Spread, ratios};

/// What a figure counts. Less is better in all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "KiB")]
    Kibibytes,
    #[serde(rename = "MB")]
    Megabytes,
    #[serde(rename = "mCPU")]
    MilliCores,
    #[serde(rename = "/s")]
    PerSecond,
    /// How many.
    #[serde(rename = "")]
    Count,
}

impl Unit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Kibibytes => "KiB",
            Self::Megabytes => "MB",
            Self::MilliCores => "mCPU",
            Self::PerSecond => "/s",
            Self::Count => "",
        }
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// At most that, in the figure's unit.
    AtMost(f64),
    /// At least so many times less than the peer.
    TimesLess(f64),
    /// It is only told.
    None,
}

/// Who else does it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Peer {
    /// With its version, and how it was asked.
    pub(crate) name: String,
    /// Its figure.
    pub(crate) figure: Spread,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// The benchmark.
    pub(crate) id: &'static str,
    /// What was measured.
    pub(crate) what: String,
    pub(crate) unit: Unit,
    pub(crate) ours: Spread,
    pub(crate) peer: Option<Peer>,
    /// Peer over ours.
    pub(crate) ratio: Option<Spread>,
    /// The physical limit, measured in the same minute.
    pub(crate) floor: Option<f64>,
    pub(crate) target: Target,
    /// Whether the target was reached.
    pub(crate) reached: Option<bool>,
    /// The machine's load average over a minute when it was measured.
    pub(crate) load: f64,
}

impl Figure {
    /// A figure of ours alone.
    pub(crate) fn new(id: &'static str, what: impl Into<String>, unit: Unit, ours: Spread) -> Self {
        let load = crate::proc::load();
        let (what, peer, ratio, floor) = (what.into(), None, None, None);
        Self { id, what, unit, ours, peer, ratio, floor, target: Target::None, reached: None, load }
    }

    /// Beside a peer that was measured in pairs with it.
    pub(crate) fn against(mut self, name: impl Into<String>, ours: &[f64], peer: &[f64]) -> Self {
        self.ratio = Spread::of(&ratios(ours, peer));
        self.peer = Spread::of(peer).map(|figure| Peer { name: name.into(), figure });
        self
    }

    /// With the physical limit.
    pub(crate) const fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    /// At most that, judged by the worst that was measured: for what nobody may wait for longer, not even once.
    pub(crate) fn never_above(mut self, most: f64) -> Self {
        self.reached = Some(self.ours.max <= most);
        self.target = Target::AtMost(most);
        self
    }

    /// With what was to be reached, judged by the medians.
    pub(crate) fn target(mut self, target: Target) -> Self {
        self.target = target;
        self.reached = match target {
            Target::None => None,
            Target::AtMost(most) => Some(self.ours.median <= most),
            Target::TimesLess(least) => self.ratio.map(|ratio| ratio.median >= least),
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_judged_by_the_medians() {
        let figure = Figure::new("B1", "x", Unit::Seconds, Spread::once(2.0)).against("y", &[2.0], &[30.0]);
        assert_eq!(figure.clone().target(Target::TimesLess(20.0)).reached, Some(false));
        assert_eq!(figure.clone().target(Target::TimesLess(15.0)).reached, Some(true));
        assert_eq!(figure.clone().target(Target::AtMost(2.0)).reached, Some(true));
        assert_eq!(figure.target(Target::None).reached, None);
    }

    #[test]
    fn what_may_never_be_above_is_judged_by_the_worst() {
        let figure = Figure::new("B1", "x", Unit::Seconds, Spread { median: 1.0, min: 1.0, max: 3.0 });
        assert_eq!(figure.clone().target(Target::AtMost(2.0)).reached, Some(true));
        assert_eq!(figure.never_above(2.0).reached, Some(false));
    }

    #[test]
    fn without_a_peer_a_ratio_is_neither_reached_nor_missed() {
        let figure = Figure::new("B1", "x", Unit::Seconds, Spread::once(2.0)).target(Target::TimesLess(20.0));
        assert_eq!((figure.ratio, figure.reached), (None, None));
    }
}
