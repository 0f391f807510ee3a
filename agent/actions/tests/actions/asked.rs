//! How tests ask for an action: on one simulated machine, within five minutes, with nobody who listens.

use std::sync::Arc;
use std::time::Duration;

use slipway_actions::{OperationContext, Perform, Progress, from_wire};
use slipway_host::Host;
use slipway_host::fake::{FakeHandle, FakeHost, State};
use slipway_proto::types::Action;
use slipway_proto::types::action::Action as Wire;
use slipway_types::{Clock, OperationId, SystemClock};
use tokio_util::sync::CancellationToken;

pub(crate) fn host_in(state: State) -> (Host, FakeHandle) {
    FakeHost::of(state, Arc::new(SystemClock))
}

pub(crate) fn operation(id: &str) -> OperationContext {
    OperationContext {
        operation: OperationId::from(id),
        clock: Arc::new(SystemClock),
        deadline: SystemClock.since_boot() + Duration::from_mins(5),
        progress: Progress::silent(),
        cancelled: CancellationToken::new(),
        secret: None,
    }
}

pub(crate) fn action(wire: Wire) -> Box<dyn Perform> {
    from_wire(Action { action: Some(wire) }).unwrap()
}
