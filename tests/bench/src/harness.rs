//! How things are compared: a warm-up of each, then rounds in which each has its turn, every round beginning with the next one, so that
//! whatever else the machine does meets all alike.

use crate::cost::Cost;

/// Something that can be measured again and again.
pub(crate) type Contender<'a> = Box<dyn FnMut() -> anyhow::Result<Cost> + 'a>;

/// What was measured of one contender, a value for each round.
pub(crate) type Costs = Vec<Cost>;

/// Measures all in so many rounds.
pub(crate) fn interleaved<const N: usize>(
    rounds: usize,
    mut contenders: [Contender<'_>; N],
) -> anyhow::Result<[Costs; N]> {
    for contender in &mut contenders {
        contender()?;
    }
    let mut costs: [Costs; N] = std::array::from_fn(|_| Vec::new());
    for round in 0..rounds {
        for turn in 0..N {
            let who = (round + turn) % N;
            costs[who].push(contenders[who]()?);
        }
    }
    Ok(costs)
}

/// One figure out of each cost.
pub(crate) fn each(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> Vec<f64> {
    costs.iter().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn turns_rotate_and_the_warm_up_does_not_count() {
        let order = RefCell::new(String::new());
        let note = |who: char| -> Contender<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(who);
                Ok(Cost { seconds: order.borrow().len() as f64, ..Cost::default() })
            })
        };
        let [ours, peer] = interleaved(3, [note('o'), note('p')]).unwrap();
        assert_eq!(*order.borrow(), "opoppoop");
        assert_eq!(each(&ours, |cost| cost.seconds), [3.0, 6.0, 7.0]);
        assert_eq!(each(&peer, |cost| cost.seconds), [4.0, 5.0, 8.0]);
    }

    #[test]
    fn a_measurement_that_fails_ends_it() {
        assert!(interleaved::<1>(1, [Box::new(|| anyhow::bail!("no peer"))]).is_err());
    }
}
