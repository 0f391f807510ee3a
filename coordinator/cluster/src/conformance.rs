//! What Slipway relies on at an API server, as one suite: run against the fake one in this crate's tests, and against a real one in the lab. A
//! case that passes on one and fails on the other means that the fake lies.

mod cordons;
mod denials;
mod drains;
mod ghosts;
mod objects;

use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use slipway_types::NodeName;

use crate::ClusterApi;

/// What a case found wrong.
pub type Outcome = Result<(), String>;

/// The means that a case needs beside the client under test. A case cleans up what it made.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// The client under test.
    fn api(&self) -> &ClusterApi;
    /// A worker that may be cordoned and drained; at least one other takes its pods.
    fn worker(&self) -> NodeName;
    /// The image of pods that only have to be there. It has to end at once on SIGTERM.
    fn image(&self) -> String {
        crate::fake::objects::PAUSE_IMAGE.to_owned()
    }
    /// Puts an object in, as `kubectl apply` does, with its namespace (and the default service account that pods need there).
    async fn apply(&self, object: Value) -> Outcome;
    /// Deletes an object (`pods`, `deployments.apps` ...), as `kubectl delete --wait=false` does; one that is not there is fine.
    async fn delete(&self, resource: &str, namespace: &str, name: &str) -> Outcome;
    /// Cordons or uncordons without any mark, as `kubectl cordon` does.
    async fn cordon_by_hand(&self, node: &NodeName, cordon: bool) -> Outcome;
}

/// One case.
pub struct Case {
    /// Its name, a sentence.
    pub name: &'static str,
    /// Runs it.
    pub run: for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, Outcome>,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All cases, to be run one after the other.
pub const CASES: &[Case] = &[
    Case { name: "the server tells its version", run: |f| Box::pin(objects::version(f)) },
    Case { name: "nodes are listed, selected and found", run: |f| Box::pin(objects::nodes(f)) },
    Case { name: "a node in service leaves remains, an unknown one none", run: |f| Box::pin(objects::remains(f)) },
    Case { name: "a wrong uid deletes nothing", run: |f| Box::pin(objects::wrong_uid(f)) },
    Case {
        name: "a cordon carries its owner and is taken back by its run alone",
        run: |f| Box::pin(cordons::owned(f)),
    },
    Case { name: "a foreign cordon is neither taken over nor undone", run: |f| Box::pin(cordons::foreign(f)) },
    Case { name: "a cordon of a node with another uid is refused", run: |f| Box::pin(cordons::wrong_uid(f)) },
    Case { name: "a reserved node is cordoned from its first moment", run: |f| Box::pin(cordons::reserved(f)) },
    Case { name: "an eviction with a wrong uid evicts nobody", run: |f| Box::pin(drains::wrong_uid(f)) },
    Case { name: "pods that need a flag are named and left alone", run: |f| Box::pin(drains::needs_flags(f)) },
    Case { name: "a drain keeps a budget of one", run: |f| Box::pin(drains::keeps_budget(f)) },
    Case {
        name: "a budget that blocks is named in time and its opening used at once",
        run: |f| Box::pin(drains::opening(f)),
    },
    Case { name: "two budgets on one pod are both named", run: |f| Box::pin(drains::two_budgets(f)) },
    Case {
        name: "what a deleted node leaves is swept, and nothing while its Node is there",
        run: |f| Box::pin(ghosts::swept(f)),
    },
    Case {
        name: "the out-of-service taint needs a proof for this Node and is taken back by its run alone",
        run: |f| Box::pin(ghosts::tainted(f)),
    },
    Case { name: "pods are deleted by force only with a proof for this Node", run: |f| Box::pin(ghosts::forced(f)) },
    Case { name: "a denied kubelet registers nothing until it is admitted", run: |f| Box::pin(denials::denied(f)) },
    Case {
        name: "the pods of the worker are weighed against the other nodes",
        run: |f| Box::pin(objects::capacity(f)),
    },
];

/// Waits for a condition, looking again and again until the deadline.
async fn eventually<F>(what: &str, deadline: Duration, mut holds: impl FnMut() -> F + Send) -> Outcome
where
    F: Future<Output = Result<bool, crate::Error>> + Send,
{
    let waiting = async {
        loop {
            if holds().await.map_err(|error| error.to_string())? {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(deadline, waiting)
        .await
        .unwrap_or_else(|_| Err(format!("{what}: not within {} s", deadline.as_secs())))
}

/// Puts an object in, its pods with the fixture's image.
async fn put(fixture: &dyn Fixture, mut object: Value) -> Outcome {
    for pointer in ["/spec/containers/0/image", "/spec/template/spec/containers/0/image"] {
        if let Some(image) = object.pointer_mut(pointer) {
            *image = Value::String(fixture.image());
        }
    }
    fixture.apply(object).await
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(what()) }
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn node_of(fixture: &dyn Fixture) -> Result<crate::Node, String> {
    let name = fixture.worker();
    fixture.api().node(&name).await.map_err(told)?.ok_or_else(|| format!("there is no node {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeApiServer, TokioClock};
    use std::sync::Arc;

    struct OnFake {
        fake: FakeApiServer,
        api: ClusterApi,
    }

    #[async_trait]
    impl Fixture for OnFake {
        fn api(&self) -> &ClusterApi {
            &self.api
        }
        fn worker(&self) -> NodeName {
            NodeName::new("w2").unwrap()
        }
        async fn apply(&self, object: Value) -> Outcome {
            self.fake.apply(object).map(|_| ()).map_err(told)
        }
        async fn delete(&self, resource: &str, namespace: &str, name: &str) -> Outcome {
            match self.fake.delete(resource, namespace, name) {
                Err(failure) if failure.code != 404 => Err(told(failure)),
                _ => Ok(()),
            }
        }
        async fn cordon_by_hand(&self, node: &NodeName, cordon: bool) -> Outcome {
            let edited = self.fake.edit("nodes", "", node.as_str(), |node| {
                if let Some(spec) = node["spec"].as_object_mut() {
                    spec.remove("unschedulable");
                    spec.extend(cordon.then(|| ("unschedulable".to_owned(), Value::Bool(true))));
                }
            });
            ensure(edited.is_some(), || "no node".into())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fake_api_server_passes_every_case_and_is_left_as_it_was() {
        let fake =
            FakeApiServer::new(Arc::new(TokioClock::at(slipway_types::Timestamp::from_second(1_700_000_000).unwrap())));
        fake.add_node("m1", slipway_types::NodeRole::ControlPlane, "10.0.0.1", "v1.33.1");
        fake.add_node("w1", slipway_types::NodeRole::Worker, "10.0.0.11", "v1.33.1");
        fake.add_node("w2", slipway_types::NodeRole::Worker, "10.0.0.12", "v1.33.1");
        for namespace in ["default", "slipway-conformance"] {
            fake.apply(serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
                .unwrap();
        }
        let before = fake.world_digest();
        let fixture = OnFake { api: fake.client(), fake };
        for case in CASES {
            (case.run)(&fixture).await.unwrap_or_else(|wrong| panic!("{}: {wrong}", case.name));
            tokio::time::sleep(Duration::from_mins(1)).await;
            assert!(fixture.fake.world_digest() == before, "{} left something behind", case.name);
        }
    }
}
