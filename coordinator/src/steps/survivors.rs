//! A change of etcd's members is asked at a host whose member stays. A silent one is no reason to stop while another one answers.

use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_flow::{Step, StepCx, StepError};
use slipway_proto::types::Action;

use super::{Brings, HostAction, HostTarget};
use crate::world::World;

/// Asks one after the other until one does it; `beside` is whose member is no help in it.
pub(super) async fn ask_in_turn(
    cx: &StepCx<'_, World>,
    survivors: &[HostTarget],
    action: (&Action, &'static str, Duration),
    beside: &str,
) -> Result<Vec<String>, StepError> {
    ask_in_turn_with(cx, survivors, action, beside, &Brings::Nothing).await
}

/// The same with something secret beside the action.
pub(super) async fn ask_in_turn_with(
    cx: &StepCx<'_, World>,
    survivors: &[HostTarget],
    (action, name, time): (&Action, &'static str, Duration),
    beside: &str,
    brings: &Brings,
) -> Result<Vec<String>, StepError> {
    let mut last = StepError::retry(none_left(beside));
    for survivor in survivors {
        cx.say(format!("asked at {}", survivor.node));
        let brings = brings.clone();
        let ask = HostAction { brings, ..HostAction::once(survivor, action.clone(), name, time) };
        match ask.act(cx).await {
            Ok(record) => return Ok(record),
            // An attempt that may have arrived is looked into first.
            Err(StepError::Wait { why, .. }) => last = StepError::retry(why),
            Err(StepError::Pause(why)) if [Code::NODE_UNREACHABLE, Code::NODE_IDENTITY].contains(&why.code) => {
                last = StepError::retry(why);
            }
            // It has left since the plan was made.
            Err(StepError::Pause(why) | StepError::Failed(why)) if why.code == Code::ETCD_NONE => {
                last = StepError::retry(why);
            }
            Err(other) => return Err(other),
        }
    }
    Err(last)
}

fn none_left(beside: &str) -> Coded {
    Coded::new(Code::ETCD_SILENT, format!("no agent of a host with a member of etcd beside {beside} answers"))
        .do_this("bring the agent of another member's host back: systemctl start slipway-agent")
}
