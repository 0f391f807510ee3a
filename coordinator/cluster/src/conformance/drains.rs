//! Drains and the eviction API, on one worker with its pods pinned or spread as a case needs it.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Fixture, Outcome, ensure, eventually, node_of, put, told};
use crate::drain::evict_once;
use crate::fake::objects::{bare_pod, budget, deployment, on_node, with_empty_dir};
use crate::{
    BlockedBy, CordonMark, DrainError, DrainFlags, DrainOptions, DrainProgress, DrainReporter, Drainer, PodRef, Silent,
    Whose,
};

const NAMESPACE: &str = "slipway-conformance";
const SOON: Duration = Duration::from_mins(2);

/// Keeps the latest progress.
#[derive(Default)]
struct Latest(Mutex<Option<DrainProgress>>);

impl DrainReporter for Latest {
    fn progress(&self, progress: &DrainProgress) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(progress.clone());
    }
    fn rung(&self, _: &str) {}
}

impl Latest {
    fn is_blocked(&self, by: impl Fn(&BlockedBy) -> bool) -> bool {
        let latest = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        latest.as_ref().is_some_and(|latest| latest.blocked.iter().any(|blocked| by(&blocked.by)))
    }
}

fn drainer(fixture: &dyn Fixture, flags: DrainFlags) -> Drainer {
    Drainer::new(
        fixture.api().clone(),
        fixture.worker(),
        DrainOptions { flags, deadline: Some(SOON), ..DrainOptions::default() },
    )
}

/// Words for the pods that a bare lab may run on the worker anyway.
fn all_flags() -> DrainFlags {
    DrainFlags { delete_emptydir_data: true, force: true }
}

async fn ready(fixture: &dyn Fixture, app: &str, count: usize) -> Outcome {
    eventually(&format!("{count} pods of {app} ready"), SOON, || async move {
        let mut ready = 0;
        for node in fixture.api().nodes(None).await? {
            let pods = fixture.api().pods_on(&node.name).await?;
            ready +=
                pods.iter().filter(|pod| pod.ready && pod.labels.get("app").is_some_and(|name| name == app)).count();
        }
        Ok(ready == count)
    })
    .await
}

async fn here(fixture: &dyn Fixture, app: &str) -> Result<usize, crate::Error> {
    let pods = fixture.api().pods_on(&fixture.worker()).await?;
    Ok(pods.iter().filter(|pod| pod.labels.get("app").is_some_and(|name| name == app)).count())
}

async fn cordoned<T>(fixture: &dyn Fixture, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let node = node_of(fixture).await?;
    let mark = CordonMark { owner: "conformance".into(), reason: "drain".into(), run: "suite".into() };
    fixture.api().cordon(&node.name, &node.uid, &mark).await.map_err(told)?;
    let result = work.await;
    fixture.api().uncordon(&node.name, &node.uid, &Whose::AnyOfOurs).await.map_err(told)?;
    result
}

async fn clean(fixture: &dyn Fixture, objects: &[(&str, &str)]) -> Outcome {
    for (resource, name) in objects {
        fixture.delete(resource, NAMESPACE, name).await?;
    }
    Ok(())
}

pub(super) async fn wrong_uid(fixture: &dyn Fixture) -> Outcome {
    put(fixture, bare_pod(NAMESPACE, "whole", fixture.worker().as_str())).await?;
    ready(fixture, "whole", 1).await?;
    let pod = PodRef { namespace: NAMESPACE.into(), name: "whole".into() };
    let wrong = evict_once(fixture.api(), pod.clone(), "00000000-0000-0000-0000-000000000000").await.map_err(told)?;
    let still = fixture.api().pod(&pod).await.map_err(told)?;
    let uid = still.as_ref().map(|pod| pod.uid.clone()).unwrap_or_default();
    let right = evict_once(fixture.api(), pod, &uid).await.map_err(told)?;
    clean(fixture, &[("pods", "whole")]).await?;
    ensure(!wrong && still.is_some_and(|pod| pod.deletion.is_none()), || "the uid was not looked at".into())?;
    ensure(right, || "the right uid was refused".into())
}

pub(super) async fn needs_flags(fixture: &dyn Fixture) -> Outcome {
    let worker = fixture.worker();
    put(fixture, bare_pod(NAMESPACE, "bare", worker.as_str())).await?;
    put(fixture, with_empty_dir(on_node(deployment(NAMESPACE, "scratch", 1), worker.as_str()))).await?;
    ready(fixture, "bare", 1).await?;
    ready(fixture, "scratch", 1).await?;
    let refused = cordoned(fixture, async { Ok(drainer(fixture, DrainFlags::default()).run(&Silent).await) }).await?;
    let left = (here(fixture, "bare").await.map_err(told)?, here(fixture, "scratch").await.map_err(told)?);
    clean(fixture, &[("pods", "bare"), ("deployments.apps", "scratch")]).await?;
    let Err(DrainError::NeedsFlags(pods)) = refused else { return Err(format!("it ended as {refused:?}")) };
    let named =
        |prefix: &str| pods.iter().any(|pod| pod.pod.namespace == NAMESPACE && pod.pod.name.starts_with(prefix));
    ensure(named("bare") && named("scratch"), || format!("named were {pods:?}"))?;
    ensure(left == (1, 1), || "pods are gone all the same".into())
}

pub(super) async fn keeps_budget(fixture: &dyn Fixture) -> Outcome {
    put(fixture, budget(NAMESPACE, "web", "web", 1)).await?;
    put(fixture, deployment(NAMESPACE, "web", 4)).await?;
    ready(fixture, "web", 4).await?;
    let least = cordoned(fixture, async {
        let drainer = drainer(fixture, all_flags());
        let mut drained = std::pin::pin!(drainer.run(&Silent));
        let mut least = i32::MAX;
        loop {
            tokio::select! {
                biased;
                ended = &mut drained => {
                    ended.map_err(told)?;
                    break;
                }
                () = tokio::time::sleep(Duration::from_millis(100)) => least = least.min(healthy(fixture).await.map_err(told)?),
            };
        }
        let left = here(fixture, "web").await.map_err(told)?;
        ensure(left == 0, || format!("{left} pods are left"))?;
        Ok(least)
    })
    .await;
    clean(fixture, &[("deployments.apps", "web"), ("poddisruptionbudgets.policy", "web")]).await?;
    let least = least?;
    ensure(least >= 3, || format!("only {least} of 4 were healthy at one time"))
}

async fn healthy(fixture: &dyn Fixture) -> Result<i32, crate::Error> {
    let budgets = fixture.api().budgets().await?;
    Ok(budgets.iter().find(|one| one.id.namespace == NAMESPACE).map(|one| one.healthy).unwrap_or_default())
}

pub(super) async fn opening(fixture: &dyn Fixture) -> Outcome {
    put(fixture, budget(NAMESPACE, "shut", "shut", 0)).await?;
    put(fixture, on_node(deployment(NAMESPACE, "shut", 1), fixture.worker().as_str())).await?;
    ready(fixture, "shut", 1).await?;
    let drainer = drainer(fixture, all_flags());
    let latest = Latest::default();
    let outcome = cordoned(fixture, async {
        let watching = async {
            let named = |by: &BlockedBy| matches!(by, BlockedBy::Budget { budget, .. } if budget.name == "shut");
            eventually("the budget named", Duration::from_secs(2), || async { Ok(latest.is_blocked(named)) }).await?;
            put(fixture, open("shut")).await?;
            eventually("the pod gone after the opening", Duration::from_secs(40), || async {
                Ok(here(fixture, "shut").await? == 0)
            })
            .await
        };
        let drained = async { drainer.run(&latest).await.map(|_| ()).map_err(told) };
        futures::try_join!(watching, drained).map(|_| ())
    })
    .await;
    clean(fixture, &[("deployments.apps", "shut"), ("poddisruptionbudgets.policy", "shut")]).await?;
    outcome
}

fn open(name: &str) -> Value {
    let mut open = budget(NAMESPACE, name, name, 1);
    open["spec"]["maxUnavailable"] = json!(1);
    open
}

pub(super) async fn two_budgets(fixture: &dyn Fixture) -> Outcome {
    put(fixture, budget(NAMESPACE, "one", "double", 1)).await?;
    put(fixture, budget(NAMESPACE, "two", "double", 1)).await?;
    put(fixture, on_node(deployment(NAMESPACE, "double", 1), fixture.worker().as_str())).await?;
    ready(fixture, "double", 1).await?;
    let drainer = drainer(fixture, all_flags());
    let latest = Latest::default();
    let outcome = cordoned(fixture, async {
        let watching = async {
            let both = |by: &BlockedBy| matches!(by, BlockedBy::Budgets(names) if names.len() == 2);
            eventually("both budgets named", Duration::from_secs(2), || async { Ok(latest.is_blocked(both)) }).await?;
            fixture.delete("poddisruptionbudgets.policy", NAMESPACE, "two").await?;
            // A pod under two budgets is counted for one of them, and the other one hears of it with its own next change.
            put(fixture, budget(NAMESPACE, "one", "double", 2)).await
        };
        let drained = async { drainer.run(&latest).await.map(|_| ()).map_err(told) };
        futures::try_join!(watching, drained).map(|_| ())
    })
    .await;
    clean(
        fixture,
        &[
            ("deployments.apps", "double"),
            ("poddisruptionbudgets.policy", "one"),
            ("poddisruptionbudgets.policy", "two"),
        ],
    )
    .await?;
    outcome
}
