//! A coordinator in a process of its own: it stands by, leads when nobody does, goes on with what the leader before it left open, and from then
//! on leads its hosts through one run after the other. The parts are the coordinator's own; only the Kubernetes API is simulated.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::world::World;
use slipway_errors::Code;
use slipway_events::Actor;
use slipway_flow::{Journal, Options, Registry, Request, Runner};
use slipway_store::{Etcd, Store};
use slipway_telemetry::Verbosity;
use slipway_types::{RunId, SystemClock};
use tokio::task::JoinSet;

use crate::b1::{NAME, TenSteps};
use crate::{authority, coordinator, part};

/// As certificates and holders name it.
pub(super) fn name(number: usize) -> String {
    format!("c{number}")
}

async fn open(store: &[String]) -> anyhow::Result<Arc<dyn Store>> {
    Ok(Etcd::open(store, None, &coordinator::lineage(), Arc::new(SystemClock)).await?)
}

/// The process. A word on its input ends it in good order.
pub(crate) async fn stand(number: usize, store: &[String], folder: &Path) -> anyhow::Result<()> {
    // Why a leadership was lost is told where it is lost.
    slipway_telemetry::init("slipway-bench", Verbosity::Quiet)?;
    let (authority, name, store) = (authority::load(folder)?, name(number), open(store).await?);
    let mut told = JoinSet::new();
    told.spawn(part::wait());
    part::say(&name)?;
    loop {
        let live = store.presence().await?.is_some();
        if live {
            tokio::select! {
                vacant = store.vacancy() => vacant?,
                _ = told.join_next() => return Ok(()),
            }
        }
        let mut foundation = coordinator::foundation(&authority, &name, store.clone(), folder)?;
        foundation.store_is_live = live;
        match foundation.take_over().await {
            Ok(leading) => return lead(&leading, &store, told).await,
            // Another one came first.
            Err(error) if error.code == Code::STORE_CONFLICT => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn lead(
    leading: &Coordinator,
    store: &Arc<dyn Store>,
    mut told: JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let Coordinator { world, leadership, .. } = leading;
    let hosts = world.hosts.list().await?;
    let mut tasks = JoinSet::new();
    let barrier = world.clone();
    tasks.spawn(async move { barrier.barrier.raise(&hosts).await });
    let journal: Arc<dyn Journal> = store.clone();
    let (flows, fence) = (Registry::new().with(TenSteps), leadership.fence.clone());
    let runner = Runner::new(world.clone(), journal, flows, fence, Arc::new(SystemClock), Options::default());
    runner.recover().await?;
    tokio::select! {
        worked = one_run_after_the_other(&runner, &leadership.fence.holder) => worked.context("no run can be started"),
        () = leadership.lost.cancelled() => Ok(()),
        _ = runner.fenced() => Ok(()),
        _ = told.join_next() => {
            runner.stop().await;
            Ok(store.resign(&leadership.fence).await?)
        }
    }
}

async fn one_run_after_the_other(runner: &Runner<World>, holder: &str) -> anyhow::Result<()> {
    for number in 1_u64.. {
        for open in runner.open_runs() {
            runner.wait_for_end(&open.run).await;
        }
        let run = RunId::from(format!("{}-{number}", holder.replace('/', "-")).as_str());
        let request = Request {
            flow: NAME.to_owned(),
            params: json!({}),
            actor: Actor("operator/bench".to_owned()),
            approved: true,
            expect_fingerprint: None,
        };
        runner.start(run, request).await?;
    }
    Ok(())
}

/// What the unit of a coordinator does when its process has ended: it says so in the store.
pub(crate) async fn gone(number: usize, store: &[String]) -> anyhow::Result<()> {
    let store = open(store).await?;
    let leader = store.high_water().await?;
    if leader.holder.starts_with(&format!("{}/", name(number))) {
        store.resign(&leader.fence()).await?;
    }
    part::say(&())
}
