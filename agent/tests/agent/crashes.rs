//! The agent's memory is dropped at awkward moments over a simulated host that lives on. The host's own counters are the witness.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use slipway_agent::core::{AgentCore, HostIdentity};
use slipway_host::Host;
use slipway_host::fake::{FakeHandle, FakeHost, Fault};
use slipway_proto::agent::{OperationState, WatchOperationResponse};
use slipway_types::{SequentialIds, SystemClock};

use crate::cluster::{eventually, follow, reset, start};

const RAN: &str = "run /usr/bin/kubeadm reset";

async fn open(host: &Host, state: &Path) -> Arc<AgentCore> {
    let identity = HostIdentity { cluster: "lab".into(), host_id: "h1".into() };
    AgentCore::new(host.clone(), state, identity, Arc::new(SystemClock), Arc::new(SequentialIds::default()))
        .await
        .unwrap()
}

async fn begin(core: &AgentCore, id: &str) -> OperationState {
    let request = start(id, &core.here().boot_id.clone(), reset());
    core.start_operation("coordinator/c4", request).await.unwrap().state()
}

async fn end(core: &AgentCore, id: &str) -> WatchOperationResponse {
    let told = core.watch_operation("coordinator/c4", follow(id)).await.unwrap();
    let all: Vec<_> = tokio::time::timeout(Duration::from_secs(30), told.collect()).await.unwrap();
    all.into_iter().last().unwrap().unwrap()
}

fn worker(reset_ms: u64) -> (Host, FakeHandle, tempfile::TempDir) {
    let (host, fake) = FakeHost::worker("w2");
    fake.change(|state| state.reset_ms = reset_ms);
    (host, fake, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn while_kubeadm_runs_the_agent_dies_thrice_and_kubeadm_ran_once() {
    let (host, fake, state) = worker(800);
    let mut core = open(&host, state.path()).await;
    begin(&core, "r/reset-w2/1").await;
    eventually("kubeadm", || fake.effects(RAN) == 1).await;
    for _ in 0..3 {
        core.kill().await;
        core = open(&host, state.path()).await;
        assert_eq!(core.seen().open, "r/reset-w2/1");
    }
    let end = end(&core, "r/reset-w2/1").await;
    assert_eq!(end.state(), OperationState::Done, "{end:?}");
    assert_eq!((fake.effects(RAN), fake.effects("kubeadm reset ended")), (1, 1));
    assert!(fake.state().transients.is_empty(), "nothing stays behind in systemd");
}

#[tokio::test]
async fn kubeadm_ends_while_the_agent_is_dead_and_its_end_is_found() {
    let (host, fake, state) = worker(100);
    let core = open(&host, state.path()).await;
    begin(&core, "r/reset-w2/1").await;
    eventually("kubeadm", || fake.effects(RAN) == 1).await;
    core.kill().await;
    eventually("the end of kubeadm", || fake.effects("kubeadm reset ended") == 1).await;
    let core = open(&host, state.path()).await;
    assert_eq!(end(&core, "r/reset-w2/1").await.state(), OperationState::Done);
    assert_eq!(fake.effects(RAN), 1);
}

#[tokio::test]
async fn the_agent_dies_before_and_after_systemd_takes_the_command() {
    for (fault, ran, state_after) in
        [(Fault::HangBefore, 0, OperationState::Unknown), (Fault::HangAfter, 1, OperationState::Done)]
    {
        let (host, fake, state) = worker(50);
        fake.inject("services.run_transient", 1, fault);
        let core = open(&host, state.path()).await;
        begin(&core, "r/reset-w2/1").await;
        fake.hung().await;
        core.kill().await;
        let core = open(&host, state.path()).await;
        let told = end(&core, "r/reset-w2/1").await;
        assert_eq!((told.state(), fake.effects(RAN)), (state_after, ran), "{fault:?}: {told:?}");
        // A new attempt brings the host there in any case, and no second command where the first did.
        assert_ne!(begin(&core, "r/reset-w2/2").await, OperationState::Failed);
        core.idle().await;
        assert_eq!(fake.effects(RAN), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_of_systemd_does_not_make_a_failure_of_a_command_that_runs() {
    let (host, fake, state) = worker(100);
    fake.inject("services.run_transient", 1, Fault::FailAfter);
    let core = open(&host, state.path()).await;
    begin(&core, "r/reset-w2/1").await;
    let told = end(&core, "r/reset-w2/1").await;
    assert_eq!((told.state(), fake.effects(RAN)), (OperationState::Done, 1), "{told:?}");
}

#[tokio::test]
async fn a_command_that_never_began_is_a_failure_that_may_be_tried_again() {
    let (host, fake, state) = worker(10);
    fake.inject("services.run_transient", 1, Fault::Fail);
    let core = open(&host, state.path()).await;
    begin(&core, "r/reset-w2/1").await;
    assert_eq!(end(&core, "r/reset-w2/1").await.state(), OperationState::Failed);
    begin(&core, "r/reset-w2/2").await;
    assert_eq!(end(&core, "r/reset-w2/2").await.state(), OperationState::Done);
    assert_eq!(fake.effects(RAN), 1);
}

#[tokio::test]
async fn after_a_reboot_a_command_is_gone_and_the_host_is_asked() {
    let (host, fake, state) = worker(60_000);
    let core = open(&host, state.path()).await;
    begin(&core, "r/reset-w2/1").await;
    eventually("kubeadm", || fake.effects(RAN) == 1).await;
    let old_boot = core.here().boot_id.clone();
    core.kill().await;
    fake.change(slipway_host::fake::State::reboot);
    let core = open(&host, state.path()).await;
    assert_eq!(end(&core, "r/reset-w2/1").await.state(), OperationState::Unknown);
    let stale = core.start_operation("coordinator/c4", start("r/reset-w2/2", &old_boot, reset())).await.unwrap_err();
    assert_eq!(stale.code, slipway_errors::Code::FENCE_OTHER_BOOT);
}
