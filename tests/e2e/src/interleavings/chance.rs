//! Chance that can be had again: the same seed draws the same numbers on every machine and in every release, so that a failure of one night
//! can be looked at in the morning.

/// A source of numbers (SplitMix64: a few lines, and no dependency whose next version draws others).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The source of that seed.
    pub const fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5111_90a1_77ea_11c3)
    }

    /// Another source, so that drawing from one does not shift the other.
    pub fn branch(&mut self) -> Self {
        Self(self.draw())
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 where there is none.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }

    /// True in `of_thousand` cases out of a thousand.
    pub fn happens(&mut self, of_thousand: usize) -> bool {
        self.below(1_000) < of_thousand
    }

    /// One of them; the first where there is only that.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_another_one_does_not() {
        let draws = |seed| {
            let mut chance = Chance::of(seed);
            (0..8).map(|_| chance.draw()).collect::<Vec<_>>()
        };
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
    }

    #[test]
    fn nothing_is_drawn_beyond_its_limit_and_everything_below_it_is() {
        let mut chance = Chance::of(1);
        let drawn: std::collections::BTreeSet<usize> = (0..200).map(|_| chance.below(5)).collect();
        assert_eq!(drawn, (0..5).collect());
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
    }
}
