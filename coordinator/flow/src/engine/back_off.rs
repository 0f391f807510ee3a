//! The pause between two tries: doubling, bounded, and spread so that many runs that failed together do not come back together. The spread
//! follows from the seed and the attempt alone, so a run can be repeated exactly.

use std::time::Duration;

use crate::Policy;

/// The pause after try number `tries` (counting from 1).
pub(super) fn pause(policy: &Policy, tries: u32, seed: u64, salt: &str) -> Duration {
    let doubled = policy.back_off.saturating_mul(1_u32 << tries.saturating_sub(1).min(16));
    let base = doubled.min(policy.back_off_max);
    base + base.mul_f64(share(seed, salt, tries) / 4.0)
}

/// A number from 0 to 1 that looks random.
fn share(seed: u64, salt: &str, tries: u32) -> f64 {
    let mut state = salt
        .bytes()
        .fold(seed ^ u64::from(tries), |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pause_doubles_within_its_bounds_and_is_repeatable(tries in 1_u32..2_000, seed: u64, salt in "[a-z]{0,8}") {
            let policy = Policy::default();
            let pause = pause(&policy, tries, seed, &salt);
            prop_assert!(pause >= policy.back_off.min(policy.back_off_max));
            prop_assert!(pause <= policy.back_off_max.mul_f64(1.25));
            prop_assert_eq!(pause, super::pause(&policy, tries, seed, &salt));
        }
    }

    #[test]
    fn two_steps_that_failed_together_come_back_apart() {
        let policy = Policy::default();
        assert_ne!(pause(&policy, 3, 7, "r1/drain-w1"), pause(&policy, 3, 7, "r1/drain-w2"));
    }
}
