//! A run that can go neither forward nor back is ended by a person's word, and what it held is free; not while something of it is under way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::give_up::{GivenUp, give_up};
use slipway_coordinator::steps::{HostAction, HostTarget};
use slipway_e2e::runs::{OPERATOR, begun, completes, until};
use slipway_e2e::sites::{Sites, host_id};
use slipway_e2e::workload::machine_id;
use slipway_errors::{Code, Coded};
use slipway_events::{Actor, RunState};
use slipway_flow::{Attempt, Command, Step, StepCx};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, InstallPackages};
use slipway_types::{RunId, SystemClock};
use tokio_util::sync::CancellationToken;

async fn given_up(coordinator: &Coordinator, run: &RunId) -> Result<GivenUp, Coded> {
    let word = ("w2 is scrap", Actor(OPERATOR.into()));
    give_up(&coordinator.world, &coordinator.runs, run, word).await
}

/// An operation of the run that nobody follows any more.
async fn under_way(sites: &Sites, coordinator: &Coordinator, run: &RunId) {
    // What the run had begun comes to its end first: an agent does one thing at a time.
    sites.site("w2").unwrap().core.idle().await;
    sites.site("w2").unwrap().machine.change(|state| state.packaging.takes_ms = 5000);
    let refresh = Kind::InstallPackages(InstallPackages { kubernetes: "1.33.12".into(), ..Default::default() });
    let (host_id, machine_id) = (host_id("w2"), machine_id("w2"));
    let target = HostTarget { node: "w2".parse().unwrap(), host_id, machine_id };
    let action =
        HostAction::once(&target, Action { action: Some(refresh) }, "install-packages", Duration::from_mins(1));
    let attempt = Attempt {
        run: run.clone(),
        step: action.id(),
        number: 1,
        unresolved: Vec::new(),
        acted_before: false,
        resumed: false,
        undoing: false,
    };
    let (world, fence) = (&*coordinator.world, coordinator.runs.fence.clone());
    let cx =
        StepCx::new(world, &attempt, fence, CancellationToken::new(), Arc::new(SystemClock), Arc::new(|_, _, _| {}));
    let came = tokio::time::timeout(Duration::from_millis(300), action.act(&cx)).await;
    assert!(came.is_err(), "it is at it: {came:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_whose_host_is_gone_for_good_is_given_up_and_the_node_is_free() {
    let sites = Sites::build().await.unwrap();
    sites.site("w2").unwrap().machine.change(|state| state.reset_ms = 1000);
    let mut foundation = sites.foundation(sites.store().unwrap()).unwrap();
    foundation.settings.agents.patience_ms = 300;
    let coordinator = foundation.lead().await.unwrap();
    let remove = json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true});
    let run = begun(&coordinator, "scale-in", remove).await.unwrap();
    until(&coordinator, &run, "the reset runs", |_| {
        sites.site("w2").unwrap().machine.effects("run /usr/bin/kubeadm reset") > 0
    })
    .await
    .unwrap();
    assert_eq!(given_up(&coordinator, &run).await.unwrap_err().code, Code::RUN_STATE, "it runs");
    sites.silence("w2", true);
    until(&coordinator, &run, "it stands still", |book| book.state == RunState::Paused).await.unwrap();
    let abort = coordinator.runs.command(&run, Command::Abort, Actor(OPERATOR.into())).await.unwrap_err();
    assert_eq!(abort.code, Code::RUN_PAST_NO_RETURN);

    sites.silence("w2", false);
    under_way(&sites, &coordinator, &run).await;
    let error = given_up(&coordinator, &run).await.unwrap_err();
    assert!(error.code == Code::RUN_STATE && error.message.contains("under way on w2"), "{error}");
    sites.silence("w2", true);
    let ended = given_up(&coordinator, &run).await.unwrap();
    assert_eq!((ended.state, ended.silent.as_slice()), (RunState::NeedsOperator, ["w2".to_owned()].as_slice()));
    assert!(ended.remaining_by_hand.iter().any(|line| line.contains("kubectl delete node w2")), "{ended:?}");
    let book = coordinator.runs.book(&run).await.unwrap();
    assert!(book.why.contains("w2 is scrap") && book.why.contains(OPERATOR), "{}", book.why);
    let fenced = json!({"nodes": ["w2"], "fenced": "w2 is powered off"});
    let next = begun(&coordinator, "scale-in-unreachable", fenced).await.unwrap();
    completes(&coordinator, &next).await.unwrap();
    coordinator.runs.runner.stop().await;
}
