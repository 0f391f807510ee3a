//! One action on one host. `satisfied` is the agent's Check, `act` its StartOperation, so both sides agree on what done means. An attempt
//! whose outcome is not known is looked at again under its own operation id before another one begins.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_proto::agent::StartOperationRequest;
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, Change, HostFacts, StartService, StopService, Target};
use slipway_types::secret::JoinSecret;
use slipway_types::{HostId, NodeName, OperationId, Secret, StepId};

use super::Certificates;
use super::bootstrap_token::token;
use super::fail::{BRING_BACK, pauses, silence, silent_or};
use super::way_back::{nothing_runs, take_back};
use crate::agents::{Ended, ended, follow};
use crate::fleet::HostRecord;
use crate::world::World;

/// How long a command may be under way to its agent: it does not begin later than this.
const COMMAND_TIME: Duration = Duration::from_secs(30);

/// The host that a plan is about. A host that has become another one since is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTarget {
    /// The node it serves as.
    pub node: NodeName,
    /// Given at enrolment.
    pub host_id: HostId,
    /// As its agent reported it when the plan was made.
    pub machine_id: String,
}

/// What goes beside an action and is kept nowhere.
#[derive(Debug, Clone, Default)]
pub enum Brings {
    /// Nothing.
    #[default]
    Nothing,
    /// The bootstrap token that this run made for the node.
    Token,
    /// That token, and the key of certificates that are uploaded at that moment.
    TokenAndCertificates(Certificates),
    /// This key. What an earlier attempt did under another one is of no use.
    Key(Secret),
}

/// A unit starts, and is in the boot from then on.
pub fn start_service(unit: &str) -> Action {
    Action { action: Some(Kind::StartService(StartService { unit: unit.to_owned() })) }
}

/// A unit stops, and is out of the boot.
pub fn stop_service(unit: &str) -> Action {
    Action { action: Some(Kind::StopService(StopService { unit: unit.to_owned() })) }
}

/// One action on one host.
#[derive(Clone)]
pub struct HostAction {
    /// The host.
    pub target: HostTarget,
    /// What is done there.
    pub action: Action,
    /// The step's name without the node's: `reset`.
    pub name: &'static str,
    /// One sentence.
    pub summary: String,
    /// The commands it stands for.
    pub by_hand: Vec<String>,
    /// What it would change, as the agent said when the plan was made.
    pub changes: Vec<String>,
    /// How long the operation may take.
    pub deadline: Duration,
    /// It only looks.
    pub reads_only: bool,
    /// It takes the node out of service for a while, so it has to fit into the pool's budget first.
    pub disrupts: bool,
    /// How it is undone, where it can be.
    pub undo: Option<Action>,
    /// Actions that undo it, in order, where that takes more than one.
    pub back: Vec<Self>,
    /// What its failure means for the run.
    pub on_failure: OnFailure,
    /// What it needs that nobody keeps.
    pub brings: Brings,
    /// What tells it from another action of its name, where it is a part of a step that has several.
    pub variant: Option<String>,
    /// What has to hold before each attempt: steps that only look.
    pub only_if: Vec<Arc<dyn Step<World>>>,
}

impl HostAction {
    /// An action with nothing to be said of it beforehand.
    pub fn once(target: &HostTarget, action: Action, name: &'static str, deadline: Duration) -> Self {
        Self {
            target: target.clone(),
            action,
            name,
            summary: name.replace('-', " "),
            by_hand: Vec::new(),
            changes: Vec::new(),
            deadline,
            reads_only: false,
            disrupts: false,
            undo: None,
            back: Vec::new(),
            on_failure: OnFailure::Pause,
            brings: Brings::Nothing,
            variant: None,
            only_if: Vec::new(),
        }
    }

    /// Its name as a part of a step: no two parts of one step may share it, for operations are known by it.
    pub fn part_name(&self) -> String {
        self.variant.as_ref().map_or_else(|| self.name.to_owned(), |variant| format!("{}-{variant}", self.name))
    }

    async fn host(&self, cx: &StepCx<'_, World>) -> Result<Arc<HostRecord>, StepError> {
        let name = format!("record of {}", self.target.host_id);
        if let Some(host) = cx.remembered(&name) {
            return Ok(host);
        }
        let host = cx.world.hosts.get(&self.target.host_id).await.map_err(StepError::retry)?;
        host.map(|host| cx.remember(&name, host)).ok_or_else(|| {
            let gone = format!("host {} of node {} is enrolled no more", self.target.host_id, self.target.node);
            StepError::Pause(Coded::new(Code::NODE_NO_AGENT, gone))
        })
    }

    /// Who answers there, under which boot; refused if it is not the machine of the plan.
    async fn target(&self, cx: &StepCx<'_, World>, host: &HostRecord) -> Result<Target, StepError> {
        let facts = if let Some(said) = cx.remembered::<HostFacts>(&self.identity()) {
            said
        } else {
            let said = cx.world.agents.identify(host).await.map_err(|error| silent_or(cx, host, error))?;
            Arc::new(said.facts.unwrap_or_default())
        };
        host.is_machine(&facts.machine_id).map_err(StepError::Pause)?;
        if facts.machine_id != self.target.machine_id {
            let text = format!(
                "{} has machine id {}, and the plan was made for {}",
                self.target.node, facts.machine_id, self.target.machine_id
            );
            return Err(StepError::Pause(
                Coded::new(Code::NODE_IDENTITY, text)
                    .do_this("find out which machine it is; abort the run if it was replaced"),
            ));
        }
        Ok(Target {
            cluster: cx.world.cluster_name.clone(),
            host_id: host.id.0.clone(),
            boot_id: facts.boot_id.clone(),
        })
    }

    /// Under this name an attempt remembers which machine answered its last check, and under which boot.
    fn identity(&self) -> String {
        format!("identity of {}", self.target.host_id)
    }

    /// What the agent needs and keeps nowhere.
    async fn secret(&self, cx: &StepCx<'_, World>) -> Result<bytes::Bytes, StepError> {
        let (token, certificate_key) = match &self.brings {
            Brings::Nothing => return Ok(bytes::Bytes::new()),
            Brings::Key(key) => return Ok(bytes::Bytes::copy_from_slice(key.expose())),
            Brings::Token => (token(cx, &self.target.node).await?, None),
            Brings::TokenAndCertificates(certificates) => {
                let key = certificates.upload(cx).await?;
                (token(cx, &self.target.node).await?, Some(key))
            }
        };
        Ok(JoinSecret { token, certificate_key }.packed().into())
    }

    async fn run(&self, cx: &StepCx<'_, World>, action: Action) -> Result<Vec<String>, StepError> {
        let host = self.host(cx).await?;
        for earlier in cx.unresolved_operations() {
            match self.follow(cx, &host, &earlier).await? {
                Ended::NeverBegan | Ended::Unknown(_) | Ended::Failed(_) => {}
                Ended::Done { .. } if matches!(self.brings, Brings::Key(_)) => {}
                Ended::Done { changes, record } => return Ok(lines(&changes, record)),
            }
        }
        if let Some((_, error)) = cx.world.barrier.raise(std::slice::from_ref(host.as_ref())).await.pop() {
            return Err(silent_or(cx, &host, error));
        }
        let operation = cx.operation_id();
        let target = self.target(cx, &host).await?;
        let secret = self.secret(cx).await?;
        let request = StartOperationRequest {
            operation_id: operation.0.clone(),
            target: Some(target),
            fence: Some(cx.fence.clone().into()),
            not_after_ms: (cx.clock.now() + COMMAND_TIME).as_millisecond(),
            action: Some(action),
            secret,
        };
        let at_once = match cx.world.agents.start(&host, request).await {
            Ok(begun) => begun.end.as_ref().and_then(ended),
            Err(error) if crate::agents::is_silence(&error) => return Err(StepError::Unknown(error)),
            // The same attempt once more would upload under the same operation id, which brings no new key anywhere.
            Err(error) if error.code == Code::FENCE_BUSY && matches!(self.brings, Brings::TokenAndCertificates(_)) => {
                return Err(StepError::retry(error));
            }
            Err(error) if error.code == Code::FENCE_BUSY => return Err(StepError::wait(error)),
            Err(error) => return Err(refused(error)),
        };
        let ended = match at_once {
            Some(ended) => ended,
            None => self.follow(cx, &host, &operation).await?,
        };
        match ended {
            Ended::Done { changes, record } => Ok(lines(&changes, record)),
            Ended::Failed(error) => Err(refused(error)),
            Ended::Unknown(error) => Err(StepError::Unknown(error)),
            Ended::NeverBegan => Err(StepError::Unknown(Coded::new(
                Code::AGENT_UNKNOWN_OPERATION,
                format!("the agent of {} does not know the operation it was given", host.name),
            ))),
        }
    }

    async fn follow(
        &self,
        cx: &StepCx<'_, World>,
        host: &HostRecord,
        operation: &OperationId,
    ) -> Result<Ended, StepError> {
        let time = (cx.clock.as_ref(), cx.world.settings.patience());
        follow(cx.world.agents.as_ref(), host, operation, time, &|says| cx.say(says))
            .await
            .map_err(|error| unreachable(host, error))
    }
}

#[async_trait]
impl Step<World> for HostAction {
    fn id(&self) -> StepId {
        StepId(format!("{}-{}", self.name, self.target.node))
    }

    fn summary(&self) -> String {
        self.summary.clone()
    }

    fn by_hand(&self) -> Vec<String> {
        self.by_hand.clone()
    }

    fn changes(&self) -> Vec<String> {
        self.changes.clone()
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.target.node.clone())
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.disrupts.then(|| self.target.node.clone())
    }

    fn reads_only(&self) -> bool {
        self.reads_only
    }

    fn policy(&self) -> Policy {
        Policy::default().deadline(self.deadline).keep_trying().on_failure(self.on_failure)
    }

    async fn precheck(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        for look in &self.only_if {
            look.precheck(cx).await?;
            if !look.satisfied(cx).await? {
                let text = format!("it does not hold yet: {}", look.summary());
                return Err(StepError::retry(Coded::new(Code::RUN_NO_EFFECT, text)));
            }
        }
        Ok(())
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let host = self.host(cx).await?;
        let checked =
            cx.world.agents.check(&host, self.action.clone()).await.map_err(|error| silent_or(cx, &host, error))?;
        if let Some(facts) = checked.facts {
            cx.remember(&self.identity(), facts);
        }
        Ok(checked.satisfied)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        match self.run(cx, self.action.clone()).await {
            // What can be taken back needs no person, unless nobody knows how the host is.
            Err(StepError::Pause(why)) if self.on_failure == OnFailure::Unwind && of_host(why.code) => {
                Err(StepError::Failed(why))
            }
            other => other,
        }
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        if let Some(action) = &self.undo {
            nothing_runs(cx, &self.target, true).await?;
            self.run(cx, action.clone()).await?;
        }
        take_back(cx, &self.target, &self.back).await
    }
}

/// Whether the host itself said no.
fn of_host(code: Code) -> bool {
    ["SLIP-HOST-", "SLIP-PACKAGE-"].iter().any(|family| code.as_str().starts_with(family))
}

pub(super) fn unreachable(host: &HostRecord, error: Coded) -> StepError {
    if crate::agents::is_silence(&error) {
        StepError::Pause(silence(host, &error).do_this(BRING_BACK))
    } else {
        refused(error)
    }
}

/// What an agent's refusal means for the run: a person, another leader, or another try.
pub fn refused(error: Coded) -> StepError {
    match error.code {
        Code::FENCE_OLD_TERM | Code::FENCE_OTHER_HOLDER | Code::FENCE_OTHER_LINEAGE => StepError::Fenced(error),
        Code::FENCE_OTHER_BOOT | Code::FENCE_PAST_TIME => StepError::retry(error),
        _ if pauses(error.code) => StepError::Pause(error),
        _ => StepError::Failed(error),
    }
}

/// What goes into the run's record.
fn lines(changes: &[Change], mut record: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = changes
        .iter()
        .map(|change| {
            let detail = if change.detail.is_empty() { String::new() } else { format!(" ({})", change.detail) };
            format!("{} {} {}{detail}", change.verb, change.kind, change.what)
        })
        .collect();
    all.append(&mut record);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_leader_stops_and_an_obstacle_waits_for_a_person() {
        let coded = |code| Coded::new(code, "x");
        assert!(matches!(refused(coded(Code::FENCE_OLD_TERM)), StepError::Fenced(_)));
        assert!(matches!(refused(coded(Code::HOST_MOUNTED_BELOW)), StepError::Pause(_)));
        assert!(matches!(refused(coded(Code::FENCE_OTHER_BOOT)), StepError::Retry { .. }));
        assert!(matches!(refused(coded(Code::AGENT_BAD_ARGUMENT)), StepError::Failed(_)));
    }

    #[test]
    fn the_record_says_what_was_done_to_what_and_why() {
        let change =
            Change { kind: "link".into(), what: "cni0".into(), verb: "remove".into(), detail: "bridge".into() };
        assert_eq!(
            lines(&[change], vec!["foreign rules: same".into()]),
            ["remove link cni0 (bridge)", "foreign rules: same"]
        );
    }
}
