//! What runs in kube-system is well after an upgrade. Pods that were not well before it are not this run's, and are not waited for; others are
//! for some minutes, and then they are told: an upgrade that is done does not hang on somebody's broken pod.

use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::{KUBE_SYSTEM, Pod};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{StepId, listed};

use super::fail::api;
use crate::world::World;

const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Images of add-ons may have to be pulled on every node.
const LONGEST: Duration = Duration::from_mins(5);
/// The most that one sentence names.
const MOST_NAMED: usize = 5;

/// See the module.
pub struct KubeSystemIsWell {
    /// Pods that were not well when the plan was made.
    pub sick_before: Vec<String>,
}

/// The names of those that are not well.
pub fn sick(pods: &[Pod]) -> Vec<String> {
    let sick = pods.iter().filter(|pod| !pod.ready && !pod.is_finished() && pod.deletion.is_none());
    sick.map(|pod| pod.id.name.clone()).collect()
}

impl KubeSystemIsWell {
    /// Who is waited for, in a sentence.
    fn missing(&self, mut sick: Vec<String>) -> Option<String> {
        sick.retain(|name| !self.sick_before.contains(name));
        (!sick.is_empty()).then(|| format!("not well in kube-system: {}", listed(&sick, MOST_NAMED)))
    }
}

/// An end of patience that is noted and does not stop the run.
fn told(missing: &str, waited: Duration) -> Result<(), StepError> {
    if waited < LONGEST {
        return Ok(());
    }
    let text = format!("{missing}, {} minutes after the last node", LONGEST.as_secs() / 60);
    Err(StepError::Failed(
        Coded::new(Code::UPGRADE_NOT_SETTLED, text)
            .do_this("kubectl -n kube-system describe pod NAME says what keeps it"),
    ))
}

#[async_trait]
impl Step<World> for KubeSystemIsWell {
    fn id(&self) -> StepId {
        StepId("kube-system-is-well".to_owned())
    }

    fn summary(&self) -> String {
        let but = if self.sick_before.is_empty() { "" } else { ", but for what was not well before" };
        format!("what runs in kube-system is well{but}")
    }

    fn by_hand(&self) -> Vec<String> {
        vec!["kubectl get pods -n kube-system".to_owned()]
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(LONGEST + Duration::from_mins(1)).keep_trying().on_failure(OnFailure::Continue)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let began = cx.clock.since_boot();
        loop {
            let pods = cx.world.cluster.pods_in(KUBE_SYSTEM).await.map_err(|error| api(error.into()))?;
            let Some(missing) = self.missing(sick(&pods)) else { return Ok(true) };
            told(&missing, cx.clock.since_boot().saturating_sub(began))?;
            cx.say(missing);
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_sick_pod_is_not_waited_for_and_a_new_one_not_for_ever() {
        let step = KubeSystemIsWell { sick_before: vec!["theirs".to_owned()] };
        let sick = |names: &[&str]| step.missing(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(sick(&["theirs"]), None);
        assert_eq!(sick(&["theirs", "coredns-1"]).as_deref(), Some("not well in kube-system: coredns-1"));
        assert!(sick(&["a", "b", "c", "d", "e", "f", "g"]).unwrap().ends_with("e and 2 more"));
        assert_eq!(told("x", LONGEST / 2), Ok(()));
        assert!(matches!(told("x", LONGEST), Err(StepError::Failed(_))));
        assert_eq!(step.policy().on_failure, OnFailure::Continue, "it is noted, and the run is done");
    }
}
