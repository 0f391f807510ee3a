//! How two things are compared: a warm-up of each, then pairs one after the other, each pair beginning with the other one, so that whatever
//! else the machine does meets both alike.

use crate::cost::Cost;

/// What was measured, pair by pair.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) ours: Vec<Cost>,
    pub(crate) peer: Vec<Cost>,
}

/// Measures `count` pairs.
pub(crate) fn interleaved(
    count: usize,
    mut ours: impl FnMut() -> anyhow::Result<Cost>,
    mut peer: impl FnMut() -> anyhow::Result<Cost>,
) -> anyhow::Result<Pairs> {
    let mut pairs = Pairs::default();
    ours()?;
    peer()?;
    for pair in 0..count {
        if pair % 2 == 0 {
            pairs.ours.push(ours()?);
            pairs.peer.push(peer()?);
        } else {
            pairs.peer.push(peer()?);
            pairs.ours.push(ours()?);
        }
    }
    Ok(pairs)
}

impl Pairs {
    /// One figure of all pairs: ours, and the peer's.
    pub(crate) fn figures(&self, figure: impl Fn(&Cost) -> f64) -> (Vec<f64>, Vec<f64>) {
        (self.ours.iter().map(&figure).collect(), self.peer.iter().map(&figure).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn pairs_alternate_and_the_warm_up_does_not_count() {
        let order = RefCell::new(String::new());
        let note = |who: char| {
            order.borrow_mut().push(who);
            Ok(Cost { seconds: order.borrow().len() as f64, ..Cost::default() })
        };
        let pairs = interleaved(3, || note('o'), || note('p')).unwrap();
        assert_eq!(*order.borrow(), "opoppoop");
        assert_eq!(pairs.figures(|cost| cost.seconds), (vec![3.0, 6.0, 7.0], vec![4.0, 5.0, 8.0]));
    }

    #[test]
    fn a_measurement_that_fails_ends_it() {
        assert!(interleaved(1, || Ok(Cost::default()), || anyhow::bail!("no peer")).is_err());
    }
}
