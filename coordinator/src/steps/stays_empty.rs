//! Is the node still as the drain left it? A run may stand still between its drain and what cannot be undone, and somebody may take the node
//! back meanwhile. What came is not evicted behind that person's back: the run stands still and says what it found.

use async_trait::async_trait;
use slipway_cluster::{DrainOptions, Drainer, Pod, PodRef};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::fail::{api, node};
use crate::world::World;

/// The most pods that are named.
const MOST_NAMED: usize = 5;

/// See the module.
pub struct StaysEmpty {
    /// The node.
    pub node: NodeName,
    /// Which object of that name.
    pub uid: String,
    /// How it was drained.
    pub options: DrainOptions,
    /// The same in kubectl's words.
    pub drain_by_hand: String,
}

impl StaysEmpty {
    /// Comes back well where it still holds.
    pub(super) async fn look(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        let Some(node) = node(cx, &self.node, &self.uid).await? else { return Ok(()) };
        let drainer = Drainer::new(cx.world.cluster.clone(), self.node.clone(), self.options.clone());
        let pods = drainer.unfinished().await.map_err(|error| api(error.into()))?;
        let (ending, running): (Vec<_>, Vec<_>) = pods.into_iter().partition(|pod| pod.deletion.is_some());
        let ids = |pods: Vec<Pod>| -> Vec<PodRef> { pods.into_iter().map(|pod| pod.id).collect() };
        self.judge(node.unschedulable, &ids(running), &ids(ending))
    }

    fn judge(&self, cordoned: bool, running: &[PodRef], ending: &[PodRef]) -> Result<(), StepError> {
        if !cordoned || !running.is_empty() {
            return Err(StepError::Pause(self.in_use(cordoned, running)));
        }
        if ending.is_empty() {
            return Ok(());
        }
        let text = format!("{} is drained again; still ending: {}", self.node, named(ending));
        let way = format!("kubectl get pods -A --field-selector spec.nodeName={}   # it goes on by itself", self.node);
        Err(StepError::wait(Coded::new(Code::DRAIN_UNDONE, text).do_this(way)))
    }

    fn in_use(&self, cordoned: bool, running: &[PodRef]) -> Coded {
        let mut found = Vec::new();
        if !cordoned {
            found.push("it is no longer cordoned".to_owned());
        }
        if !running.is_empty() {
            found.push(format!("there run {}", named(running)));
        }
        let text = format!("{} was drained, and since then {}", self.node, found.join(", and "));
        Coded::new(Code::DRAIN_UNDONE, text).do_this(format!(
            "if it is still to leave: {}, then slipway run resume; if it is to stay: slipway run abort",
            self.drain_by_hand
        ))
    }
}

fn named(pods: &[PodRef]) -> String {
    let mut names: Vec<String> = pods.iter().take(MOST_NAMED).map(ToString::to_string).collect();
    if pods.len() > MOST_NAMED {
        names.push(format!("{} more", pods.len() - MOST_NAMED));
    }
    names.join(", ")
}

#[async_trait]
impl Step<World> for StaysEmpty {
    fn id(&self) -> StepId {
        StepId(format!("stays-empty-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("{} is still cordoned, and nothing was started there since", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("kubectl get node {}   # SchedulingDisabled", self.node),
            format!(
                "kubectl get pods -A --field-selector spec.nodeName={}   # none but static pods and those of DaemonSets",
                self.node
            ),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn reads_only(&self) -> bool {
        true
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        self.look(cx).await.map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> StaysEmpty {
        StaysEmpty {
            node: "w2".parse().unwrap(),
            uid: "u".into(),
            options: DrainOptions::default(),
            drain_by_hand: "kubectl drain w2 --ignore-daemonsets".into(),
        }
    }

    fn pod(name: &str) -> PodRef {
        PodRef { namespace: "shop".into(), name: name.into() }
    }

    #[test]
    fn a_node_that_is_in_use_again_is_a_persons_to_decide() {
        assert!(step().judge(true, &[], &[]).is_ok());
        let Err(StepError::Pause(why)) = step().judge(false, &[], &[]) else { panic!("it goes on") };
        assert_eq!(why.message, "w2 was drained, and since then it is no longer cordoned");
        let Err(StepError::Pause(why)) = step().judge(true, &[pod("web")], &[pod("old")]) else { panic!("it goes on") };
        assert_eq!(why.message, "w2 was drained, and since then there run shop/web");
    }

    #[test]
    fn pods_that_are_ending_are_waited_for() {
        assert!(matches!(step().judge(true, &[], &[pod("old")]), Err(StepError::Wait { .. })));
    }

    #[test]
    fn many_pods_are_counted_and_not_listed() {
        let pods: Vec<PodRef> = (0..8).map(|number| pod(&format!("p{number}"))).collect();
        assert_eq!(named(&pods), "shop/p0, shop/p1, shop/p2, shop/p3, shop/p4, 3 more");
    }
}
