//! The address that moves between masters has left this one and is held by exactly one other. Read from the hosts' own lists of addresses:
//! an answer to a ping would not say who gave it.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::HostTarget;
use super::fail::silent_or;
use crate::endpoints::holds;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// VRRP moves an address within seconds. After so long without a holder nobody will take it, and meanwhile nobody reaches the API by it.
const LONGEST_NOWHERE: Duration = Duration::from_secs(30);
/// What looks at silent hosts may take on top.
const AIR: Duration = Duration::from_secs(90);

/// See the module.
pub struct VipIsElsewhere {
    /// The master that leaves.
    pub node: NodeName,
    /// Its host.
    pub host: HostTarget,
    /// The address.
    pub vip: String,
    /// The hosts of the other masters.
    pub survivors: Vec<HostTarget>,
}

/// Where the address is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    StillHere,
    Nowhere,
    By(Vec<String>),
}

impl VipIsElsewhere {
    async fn see(&self, cx: &StepCx<'_, World>) -> Result<Seen, StepError> {
        if self.holds(cx, &self.host).await? {
            return Ok(Seen::StillHere);
        }
        let mut holders = Vec::new();
        for survivor in &self.survivors {
            // One that is silent is not the one that is looked for; if nobody else has it, that is said.
            if self.holds(cx, survivor).await.unwrap_or_default() {
                holders.push(survivor.node.to_string());
            }
        }
        Ok(if holders.is_empty() { Seen::Nowhere } else { Seen::By(holders) })
    }

    /// None: it is where it should be. A sentence: it is looked at again at once.
    fn judge(&self, seen: &Seen, nowhere_for: Duration) -> Result<Option<String>, StepError> {
        let why = |text: String, way: &str| Coded::new(Code::VIP_HOLDER, text).do_this(way);
        let wait = |why| Err(StepError::Wait { after: Some(LOOK_AGAIN), why });
        match seen {
            Seen::By(holders) if holders.len() == 1 => Ok(None),
            Seen::By(holders) => wait(why(
                format!("{} is held by {} at once", self.vip, holders.join(" and ")),
                "keepalived settles it in a moment, or its priorities are equal",
            )),
            Seen::StillHere => wait(why(
                format!("{} is still on {}", self.vip, self.node),
                "see whether keepalived has ended there: systemctl status keepalived",
            )),
            Seen::Nowhere if nowhere_for < LONGEST_NOWHERE => {
                Ok(Some(format!("no other master holds {} yet", self.vip)))
            }
            Seen::Nowhere => Err(StepError::Failed(why(
                format!("no other master has taken {} within {} s", self.vip, LONGEST_NOWHERE.as_secs()),
                "journalctl -u keepalived on the others says why; then begin anew",
            ))),
        }
    }

    async fn holds(&self, cx: &StepCx<'_, World>, target: &HostTarget) -> Result<bool, StepError> {
        let Some(host) = cx.world.hosts.get(&target.host_id).await.map_err(StepError::retry)? else { return Ok(false) };
        let said = cx.world.agents.describe(&host).await.map_err(|error| silent_or(cx, &host, error))?;
        Ok(holds(&said.facts.unwrap_or_default(), &self.vip))
    }
}

#[async_trait]
impl Step<World> for VipIsElsewhere {
    fn id(&self) -> StepId {
        StepId(format!("vip-is-elsewhere-than-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} is held by another master", self.vip)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("ip -brief address | grep {}   # on every master: one line, and not on {}", self.vip, self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST_NOWHERE + AIR).keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let mut nowhere_since = None;
        loop {
            let seen = self.see(cx).await?;
            let now = cx.clock.since_boot();
            nowhere_since = if seen == Seen::Nowhere { nowhere_since.or(Some(now)) } else { None };
            let nowhere_for = now.saturating_sub(nowhere_since.unwrap_or(now));
            match self.judge(&seen, nowhere_for)? {
                None => return Ok(true),
                Some(says) => cx.say(says),
            }
            tokio::select! {
                () = cx.cancelled.cancelled() => return Ok(false),
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> VipIsElsewhere {
        let host = HostTarget { node: "m1".parse().unwrap(), host_id: "h1".into(), machine_id: "a".into() };
        VipIsElsewhere { node: host.node.clone(), host, vip: "10.0.0.10".into(), survivors: Vec::new() }
    }

    #[test]
    fn an_address_that_nobody_takes_is_given_back_after_half_a_minute() {
        let says = step().judge(&Seen::Nowhere, Duration::from_secs(29)).unwrap();
        assert_eq!(says.as_deref(), Some("no other master holds 10.0.0.10 yet"));
        let error = step().judge(&Seen::Nowhere, Duration::from_secs(30)).unwrap_err();
        assert!(matches!(&error, StepError::Failed(why) if why.code == Code::VIP_HOLDER), "{error:?}");
        assert_eq!(step().policy().on_failure, OnFailure::Unwind, "the failure has to start keepalived again");
    }

    #[test]
    fn one_other_holder_is_what_is_wanted_and_anything_else_is_waited_for() {
        let by = |names: &[&str]| Seen::By(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(step().judge(&by(&["m2"]), Duration::ZERO), Ok(None));
        for seen in [Seen::StillHere, by(&["m2", "m3"])] {
            assert!(matches!(step().judge(&seen, Duration::ZERO), Err(StepError::Wait { .. })), "{seen:?}");
        }
    }
}
