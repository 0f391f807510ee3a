//! A step on a host, by its agent: what an earlier attempt came to is asked first, then the fence is raised there, and only then something is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use slipway_agent::journal::Outcome;
use slipway_agent::operations::Start;
use slipway_coordinator::agents::is_silence;
use slipway_coordinator::steps::refused;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::types::Target;
use slipway_types::{Clock, NodeName, OperationId, StepId};

use super::{silent_or, strange};
use crate::deed::Deed;
use crate::host::CLUSTER;
use crate::message::{Answer, Ask};
use crate::mutants::Mutant;
use crate::site::Site;

/// How long a command may be under way.
const COMMAND_TIME: Duration = Duration::from_secs(30);
/// A silent agent is waited for so long.
const PATIENCE: Duration = Duration::from_secs(20);
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// One deed on one host.
pub struct HostDeed {
    /// The node of the host.
    pub node: NodeName,
    /// The number of the host.
    pub host: usize,
    /// What is done there.
    pub deed: Deed,
    /// What has to hold before each attempt.
    only_if: Vec<Arc<dyn Step<Site>>>,
    /// The latest attempt that began something here, where the bug of beginning blindly is put in.
    begun: AtomicU32,
}

/// How an operation ended.
enum Came {
    NeverBegan,
    Ended(Outcome),
}

impl HostDeed {
    /// A deed with nothing to be said of it.
    pub fn new(node: &NodeName, host: usize, deed: Deed) -> Self {
        Self { node: node.clone(), host, deed, only_if: Vec::new(), begun: AtomicU32::new(0) }
    }

    /// The same, where these have to hold before each attempt.
    pub fn only_if(self, only_if: Vec<Arc<dyn Step<Site>>>) -> Self {
        Self { only_if, ..self }
    }

    /// Does it, as a part of a step that may be another one's.
    pub async fn run(&self, cx: &StepCx<'_, Site>) -> Result<(), StepError> {
        let site = cx.world;
        if site.mutant != Some(Mutant::BlindRedo) {
            for earlier in cx.unresolved_operations() {
                if let Came::Ended(Outcome::Done | Outcome::AlreadyTrue) = self.follow(cx, &earlier).await? {
                    return Ok(());
                }
            }
        }
        if let Some((_, error)) = site.raise(&[self.host]).await.pop() {
            return Err(if is_silence(&error) { silent_or(error) } else { refused(error) });
        }
        let operation = cx.operation_id();
        let boot_id = match site.agent(self.host, Ask::Identify).await {
            Ok(Answer::Identity(boot, _)) => boot,
            Ok(_) => return Err(StepError::Failed(strange())),
            Err(error) => return Err(silent_or(error)),
        };
        let start = Start {
            caller: site.fence.holder.clone(),
            id: operation.0.clone(),
            target: Target { cluster: CLUSTER.to_owned(), host_id: format!("host-{}", self.host + 1), boot_id },
            fence: cx.fence.clone(),
            not_after: site.clock.now() + COMMAND_TIME,
            action_name: self.deed.name(),
            action: self.deed.bytes(),
            secret: None,
        };
        self.begun.store(cx.attempt, Ordering::SeqCst);
        match site.agent(self.host, Ask::Begin(Box::new(start))).await {
            Ok(_) => {}
            Err(error) if is_silence(&error) => return Err(StepError::Unknown(error)),
            Err(error) if error.code == Code::FENCE_BUSY => return Err(StepError::wait(error)),
            Err(error) => return Err(refused(error)),
        }
        let unknown = |what: &str| Err(StepError::Unknown(Coded::new(Code::AGENT_OUTCOME_UNKNOWN, what)));
        match self.follow(cx, &operation).await? {
            Came::Ended(Outcome::Done | Outcome::AlreadyTrue) => Ok(()),
            Came::Ended(Outcome::Failed) => Err(StepError::retry(Coded::new(Code::HOST_COMMAND, "it failed"))),
            Came::Ended(Outcome::Unknown) => unknown("nobody knows"),
            Came::NeverBegan => unknown("the agent does not know the operation that it was given"),
        }
    }

    async fn follow(&self, cx: &StepCx<'_, Site>, operation: &OperationId) -> Result<Came, StepError> {
        let mut heard = cx.clock.since_boot();
        loop {
            match cx.world.agent(self.host, Ask::Follow(operation.0.clone())).await {
                Ok(Answer::Operation(Some(outcome))) => return Ok(Came::Ended(outcome)),
                Ok(_) => heard = cx.clock.since_boot(),
                Err(error) if error.code == Code::AGENT_UNKNOWN_OPERATION => return Ok(Came::NeverBegan),
                Err(error) if !is_silence(&error) => return Err(refused(error)),
                Err(error) if cx.clock.since_boot().saturating_sub(heard) >= PATIENCE => {
                    return Err(StepError::Pause(Coded { code: Code::NODE_UNREACHABLE, ..error }));
                }
                Err(_) => {}
            }
            cx.world.shared.sleep(ASK_AGAIN).await;
        }
    }
}

#[async_trait]
impl Step<Site> for HostDeed {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.deed.name(), self.node))
    }

    fn summary(&self) -> String {
        format!("{} on {}", self.deed.name(), self.node)
    }

    fn disrupts(&self) -> Option<NodeName> {
        matches!(self.deed, Deed::Restart(_)).then(|| self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(Duration::from_mins(2)).keep_trying().on_failure(OnFailure::Pause)
    }

    async fn precheck(&self, cx: &StepCx<'_, Site>) -> Result<(), StepError> {
        for look in &self.only_if {
            look.precheck(cx).await?;
            if !look.satisfied(cx).await? {
                return Err(StepError::retry(Coded::new(Code::RUN_NO_EFFECT, "it does not hold yet")));
            }
        }
        Ok(())
    }

    async fn satisfied(&self, cx: &StepCx<'_, Site>) -> Result<bool, StepError> {
        let blind = cx.world.mutant == Some(Mutant::BlindRedo) && self.begun.load(Ordering::SeqCst) != cx.attempt;
        if blind && !cx.unresolved.is_empty() {
            return Ok(false);
        }
        match cx.world.agent(self.host, Ask::Check(self.deed.clone())).await {
            Ok(Answer::Is(so)) => Ok(so),
            Ok(_) => Err(StepError::Failed(strange())),
            Err(error) => Err(silent_or(error)),
        }
    }

    async fn act(&self, cx: &StepCx<'_, Site>) -> Result<Vec<String>, StepError> {
        self.run(cx).await.map(|()| Vec::new())
    }
}
