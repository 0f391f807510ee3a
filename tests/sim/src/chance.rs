//! Chance that can be had again: the same seed draws the same numbers on every machine and with every release of any dependency. The numbers are
//! those of SplitMix64.

/// A source of numbers.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The source of a seed, for one of the many things that chance decides: drawing for one shifts no other.
    pub fn of(seed: u64, what: &str) -> Self {
        let salt = what
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt)
    }

    /// Any number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` up to, but without, `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % high.saturating_sub(low).max(1)
    }

    /// True in so many cases of a thousand.
    pub fn happens(&mut self, of_thousand: u64) -> bool {
        self.between(0, 1_000) < of_thousand
    }

    /// One of them, where there is one.
    pub fn pick<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.between(0, all.len() as u64) as usize).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_each_purpose_draws_for_itself() {
        let draws = |seed, what| (0..4).map(|_| Chance::of(seed, what).draw()).collect::<Vec<_>>();
        assert_eq!(draws(7, "net"), draws(7, "net"));
        assert_ne!(draws(7, "net"), draws(8, "net"));
        assert_ne!(draws(7, "net"), draws(7, "faults"));
        let mut chance = Chance::of(1, "x");
        assert!((0..100).all(|_| (3..5).contains(&chance.between(3, 5))));
        assert_eq!(chance.pick::<u8>(&[]), None);
    }
}
