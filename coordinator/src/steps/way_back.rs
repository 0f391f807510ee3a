//! The way back from what was begun on a host. Whatever was begun comes to its end first: while an installation still runs, a look at the host
//! finds nothing installed, and what came a moment later would stay.

use std::time::Duration;

use slipway_flow::{Step, StepCx, StepError};
use slipway_types::OperationId;

use super::host_action::{HostAction, HostTarget, unreachable};
use crate::agents::follow;
use crate::fleet::HostRecord;
use crate::world::World;

/// Operations of a step that are looked for, the newest first.
const MOST_ATTEMPTS: usize = 32;

/// Takes it back, in order, once nothing of the step runs on the host any more.
pub(super) async fn take_back(
    cx: &StepCx<'_, World>,
    target: &HostTarget,
    actions: &[HostAction],
) -> Result<(), StepError> {
    nothing_runs(cx, target, !actions.is_empty()).await?;
    for action in actions {
        see_to(cx, action).await?;
    }
    Ok(())
}

/// One action of several, unless it is done already; its operations have names of their own.
pub(super) async fn see_to(cx: &StepCx<'_, World>, action: &HostAction) -> Result<(), StepError> {
    let part = cx.part(&action.part_name());
    if !action.satisfied(&part).await? {
        cx.say(action.summary());
        action.act(&part).await?;
    }
    Ok(())
}

/// Follows every operation of the step on that host to its end. A silent host stops that, unless nothing is to be taken back there anyway.
pub(super) async fn nothing_runs(cx: &StepCx<'_, World>, target: &HostTarget, matters: bool) -> Result<(), StepError> {
    let Some(host) = cx.world.hosts.get(&target.host_id).await.map_err(StepError::retry)? else { return Ok(()) };
    let patience = if matters { cx.world.settings.patience() } else { Duration::ZERO };
    for attempt in (1..cx.attempt).rev().take(MOST_ATTEMPTS) {
        let operation = OperationId::of(&cx.run, &cx.step, attempt);
        match to_its_end(cx, &host, &operation, patience).await {
            Err(_) if !matters => return Ok(()),
            ended => ended?,
        }
    }
    Ok(())
}

async fn to_its_end(
    cx: &StepCx<'_, World>,
    host: &HostRecord,
    operation: &OperationId,
    patience: Duration,
) -> Result<(), StepError> {
    let time = (cx.clock.as_ref(), patience);
    let ended = follow(cx.world.agents.as_ref(), host, operation, time, &|says| cx.say(says)).await;
    // However it ended: what there is now is asked afterwards.
    ended.map(drop).map_err(|error| unreachable(host, error))
}
