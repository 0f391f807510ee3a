//! What errors of the API server and of agents mean for a step, said once for all steps.

use std::time::Duration;

use slipway_cluster::Node;
use slipway_errors::{Code, Coded};
use slipway_flow::{StepCx, StepError};
use slipway_types::NodeName;

use crate::agents::is_silence;
use crate::fleet::HostRecord;
use crate::world::World;

/// Between two looks at something that is away.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The way out of a silence.
pub(super) const BRING_BACK: &str = "nothing is assumed of that host; bring it back (or its agent: systemctl start slipway-agent), then slipway run resume";

/// An error of the API server: when it is away the step waits as long as it takes; when an object changed, it looks again.
pub fn api(error: Coded) -> StepError {
    match error.code {
        Code::KUBE_UNREACHABLE => StepError::Wait { after: Some(LOOK_AGAIN), why: error },
        Code::KUBE_CONFLICT => StepError::Retry { after: Some(Duration::from_millis(50)), why: error },
        Code::STORE_STALE_TERM => StepError::Fenced(error),
        // An API server that has just started refuses everything until it has read its rules: a refusal is no proof of a missing right.
        Code::KUBE_FORBIDDEN => StepError::Wait {
            after: Some(LOOK_AGAIN * 2),
            why: error
                .do_this("if it stays so, give the coordinator's user the rights in deploy/rbac; it goes on by itself"),
        },
        _ => StepError::retry(error),
    }
}

/// A look that refuses with `veto` says no to the step; any other error is the API server's.
pub(super) fn veto(veto: Code) -> impl Fn(Coded) -> StepError {
    move |error| if error.code == veto { StepError::Veto(error) } else { api(error) }
}

/// An agent that does not answer is waited for until our patience ends; then a person has to look. Nothing is assumed meanwhile.
pub(super) fn silent_or(cx: &StepCx<'_, World>, host: &HostRecord, error: Coded) -> StepError {
    if !is_silence(&error) {
        return if pauses(error.code) { StepError::Pause(error) } else { StepError::retry(error) };
    }
    let why = silence(host, &error);
    if cx.world.fleet.silence(&host.id) < cx.world.settings.patience() {
        return StepError::Wait { after: Some(LOOK_AGAIN), why };
    }
    StepError::Pause(why.do_this(BRING_BACK))
}

/// An agent does not answer.
pub(super) fn silence(host: &HostRecord, error: &Coded) -> Coded {
    let text = format!("the agent of {} at {} does not answer: {}", host.name, host.address, error.message);
    Coded::new(Code::NODE_UNREACHABLE, text)
}

/// Codes that only a person can do something about.
pub(super) fn pauses(code: Code) -> bool {
    [
        Code::HOST_MOUNTED_BELOW,
        Code::HOST_SYMLINK,
        Code::HOST_STILL_RUNNING,
        Code::HOST_LEFTOVERS,
        Code::HOST_NETFILTER_CHANGED,
        Code::HOST_KUBEADM,
        Code::HOST_SERVICE,
        Code::HOST_IO,
        Code::HOST_COMMAND,
        Code::HOST_PROFILE,
        Code::PACKAGE_LOCKED,
        Code::PACKAGE_BROKEN,
        Code::PACKAGE_REPOSITORY,
        Code::PACKAGE_SIGNATURE,
        Code::PACKAGE_VERSION,
        Code::PACKAGE_CORRUPT,
        Code::PACKAGE_NO_ROOM,
        Code::PACKAGE_STATE,
        Code::PACKAGE_OTHER_SOURCE,
        Code::PACKAGE_NEEDED,
        Code::PACKAGE_UNSUPPORTED,
        Code::HOST_RUNTIME,
        Code::HOST_SWAP,
        Code::HOST_KERNEL,
        Code::HOST_PREPARE,
        Code::AGENT_JOURNAL,
        Code::FENCE_OTHER_HOST,
        Code::NODE_IDENTITY,
    ]
    .contains(&code)
}

/// The Node of the plan; none if it is gone. Another one of the same name is for a person to look at.
pub(super) async fn node(cx: &StepCx<'_, World>, name: &NodeName, uid: &str) -> Result<Option<Node>, StepError> {
    match cx.world.cluster.node(name).await.map_err(|error| api(error.into()))? {
        Some(node) if node.uid != uid => Err(StepError::Pause(
            Coded::new(
                Code::NODE_IDENTITY,
                format!("Node {name} was replaced by another of that name since the plan was made"),
            )
            .do_this("find out who registered it; slipway run abort, then plan anew"),
        )),
        found => Ok(found),
    }
}

/// A node that has to be there and is not.
pub(super) fn gone(name: &NodeName) -> Coded {
    Coded::new(Code::NODE_UNKNOWN, format!("there is no Node {name} any more"))
        .do_this("slipway node list shows what there is")
}
