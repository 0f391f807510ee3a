//! What several measurements of one thing amount to. Machines are noisy, so no figure stands alone: it has a median and how far it strays.

use serde::{Deserialize, Serialize};

/// A figure that was measured several times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of those measurements; none without any.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        Some(Self { median: quantile(values, 0.5)?, min: quantile(values, 0.0)?, max: quantile(values, 1.0)? })
    }

    /// Something that was measured once, or elsewhere.
    pub(crate) const fn once(value: f64) -> Self {
        Self { median: value, min: value, max: value }
    }
}

/// The value below which that share of all lies, between two of them where it falls there.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let place = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted.get(place.floor() as usize)?, sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

/// How many times each of `ours` goes into its partner: the pairs were measured side by side, so the noise of the machine is in both.
pub(crate) fn ratios(ours: &[f64], peer: &[f64]) -> Vec<f64> {
    ours.iter().zip(peer).filter(|(ours, _)| **ours > 0.0).map(|(ours, peer)| peer / ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_smallest_and_largest_in_any_order() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(Spread::of(&[4.0, 1.0]).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[f64::NAN, 7.0]), Some(Spread::once(7.0)), "what could not be measured does not count");
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), Some(99.0));
        assert_eq!(quantile(&[10.0, 20.0], 0.25), Some(12.5));
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        assert_eq!(ratios(&[1.0, 2.0, 0.0], &[10.0, 10.0, 10.0]), [10.0, 5.0]);
    }
}
