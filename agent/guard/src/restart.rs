//! Whether a unit that is down is started, and when: never one that somebody took out of the boot or masked, and less and less often where it does
//! not stay up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_host::{Active, Enablement, ServiceState};

const FIRST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_mins(5);
/// One that has stayed up for so long begins anew.
const STEADY: Duration = Duration::from_mins(2);

/// Which units that are down are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// None: it is only watched.
    Never,
    /// One that systemd has given up. One that was stopped stays so: somebody wanted it.
    Failed,
    /// One that was stopped, too.
    Always,
}

/// The attempts at one unit.
#[derive(Debug, Clone)]
pub struct Restarts {
    policy: Policy,
    wait: Duration,
    not_before: Duration,
    up_since: Option<Duration>,
}

impl Restarts {
    /// None yet.
    pub const fn new(policy: Policy) -> Self {
        Self { policy, wait: FIRST, not_before: Duration::ZERO, up_since: None }
    }

    /// Whether the unit is to be started now. Saying yes counts as an attempt.
    pub fn due(&mut self, now: Duration, unit: &ServiceState) -> bool {
        if unit.active == Active::Active {
            let since = *self.up_since.get_or_insert(now);
            if now.saturating_sub(since) >= STEADY {
                self.wait = FIRST;
            }
            return false;
        }
        self.up_since = None;
        let wanted = match self.policy {
            Policy::Never => false,
            Policy::Failed => unit.active == Active::Failed,
            Policy::Always => unit.active.is_down(),
        };
        if !wanted || unit.enablement != Enablement::Enabled || now < self.not_before {
            return false;
        }
        self.not_before = now + self.wait;
        self.wait = (self.wait * 2).min(LONGEST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn unit(active: Active, enablement: Enablement) -> ServiceState {
        ServiceState { unit: "kubelet.service".into(), active, enablement, main_pid: None }
    }

    #[rstest]
    #[case(Policy::Failed, Active::Failed, Enablement::Enabled, true)]
    #[case(Policy::Failed, Active::Inactive, Enablement::Enabled, false)]
    #[case(Policy::Always, Active::Inactive, Enablement::Enabled, true)]
    #[case(Policy::Always, Active::Failed, Enablement::Disabled, false)]
    #[case(Policy::Always, Active::Inactive, Enablement::Masked, false)]
    #[case(Policy::Always, Active::Activating, Enablement::Enabled, false)]
    #[case(Policy::Never, Active::Failed, Enablement::Enabled, false)]
    fn only_what_nobody_took_out_of_service_is_started(
        #[case] policy: Policy,
        #[case] active: Active,
        #[case] enablement: Enablement,
        #[case] due: bool,
    ) {
        assert_eq!(Restarts::new(policy).due(Duration::from_secs(1), &unit(active, enablement)), due);
    }

    #[test]
    fn one_that_does_not_stay_up_is_started_less_and_less_often_and_one_that_did_at_once() {
        let (mut restarts, failed) = (Restarts::new(Policy::Failed), unit(Active::Failed, Enablement::Enabled));
        let tries: Vec<u64> = (0..1_000).filter(|at| restarts.due(Duration::from_secs(*at), &failed)).collect();
        assert_eq!(tries, [0, 10, 30, 70, 150, 310, 610, 910]);
        let up = unit(Active::Active, Enablement::Enabled);
        assert!(!restarts.due(Duration::from_secs(1_300), &up) && !restarts.due(Duration::from_secs(1_420), &up));
        let again: Vec<u64> = (1_421..1_440).filter(|at| restarts.due(Duration::from_secs(*at), &failed)).collect();
        assert_eq!(again, [1_421, 1_431]);
    }
}
