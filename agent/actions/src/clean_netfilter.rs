//! Takes Kubernetes' chains, rules, sets and tables out of the firewall, and proves that everything else stayed as it was: the proof goes into
//! the run's record.

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::plan::compare::{Comparison, Foreign, compare};
use slipway_host::plan::netfilter::{NetfilterPlan, counted};
use slipway_host::plan::scope::Scope;
use slipway_host::{Host, Ruleset, survey};

use crate::running::still_running;
use crate::{Check, Done, Error, OperationContext, Perform};

/// Removes chains, rules, sets and tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanNetfilter {
    /// Names of profiles; none: all.
    pub(crate) profiles: Vec<String>,
}

#[async_trait]
impl Perform for CleanNetfilter {
    fn name(&self) -> &'static str {
        "clean-netfilter"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "nft delete table ip kube-proxy && nft delete table ip6 kube-proxy".into(),
            "iptables-save | grep KUBE-   # delete the rules that lead to them, then -F and -X each; ip6tables and both backends too".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::HOST_LEFTOVERS
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let (_, plan) = survey::netfilter(host, &scope).await?;
        let mut obstacles = plan.obstacles;
        if !plan.changes.is_empty() {
            obstacles.extend(still_running(host, &scope).await?);
        }
        Ok(Check { satisfied: plan.changes.is_empty() && obstacles.is_empty(), changes: plan.changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, _found: &Check) -> Result<Done, Error> {
        let scope = survey::scope(host, &self.profiles).await?;
        let (before, plan) = survey::netfilter(host, &scope).await?;
        operation.progress.say(format!("removing {} from the firewall", counted(&plan.changes)));
        carry_out(host, operation, &plan).await?;
        operation.progress.say("comparing what is left of the firewall with what was there before");
        let comparison = compared(host, &scope, &before, &plan).await?;
        if !comparison.is_equal() {
            return Err(Error::NotReached {
                action: self.name(),
                code: Code::HOST_NETFILTER_CHANGED,
                what: format!(
                    "rules that are not Kubernetes' changed meanwhile: {}",
                    comparison.differences.join(", ")
                ),
            });
        }
        Ok(Done { changes: plan.changes, record: comparison.record() })
    }
}

async fn carry_out(host: &Host, operation: &OperationContext, plan: &NetfilterPlan) -> Result<(), Error> {
    for (which, text) in &plan.restores {
        operation.go_on("clean-netfilter")?;
        host.netfilter.restore(*which, text).await?;
    }
    operation.go_on("clean-netfilter")?;
    if !plan.nft.is_empty() {
        host.netfilter.apply_nft(&plan.nft).await?;
    }
    for name in &plan.ipsets {
        operation.go_on("clean-netfilter")?;
        host.netfilter.destroy_ipset(name).await?;
    }
    Ok(())
}

async fn compared(host: &Host, scope: &Scope<'_>, before: &Ruleset, plan: &NetfilterPlan) -> Result<Comparison, Error> {
    let (after, again) = survey::netfilter(host, scope).await?;
    Ok(compare(&Foreign::of(before, &plan.removed), &Foreign::of(&after, &again.removed)))
}
