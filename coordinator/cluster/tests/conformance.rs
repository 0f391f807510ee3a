//! The conformance suite against a real API server, on a master of a lab: kubectl is the other hand, and the kubeconfig says where. The
//! fake passes the same cases in the crate's own tests.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what surprises a test ends it")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use slipway_cluster::conformance::{CASES, Fixture, Outcome};
use slipway_cluster::{ClusterApi, OpenGate};
use slipway_types::{NodeName, SystemClock};

/// The kubeconfig of a cluster that may be played with; unset: there is none.
const WANTED: &str = "SLIPWAY_CLUSTER_CONFORMANCE";
const WORKER: &str = "SLIPWAY_CLUSTER_CONFORMANCE_WORKER";
const IMAGE: &str = "SLIPWAY_CLUSTER_CONFORMANCE_IMAGE";

struct Real {
    api: ClusterApi,
    kubeconfig: String,
}

impl Real {
    #[expect(clippy::disallowed_methods, reason = "the fixture stands for a user with kubectl")]
    fn kubectl(&self, words: &[&str], input: &str) -> Outcome {
        use std::io::Write;
        let mut child = Command::new("/usr/bin/kubectl")
            .args(["--kubeconfig", &self.kubeconfig])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("kubectl: {error}"))?;
        child.stdin.take().unwrap().write_all(input.as_bytes()).map_err(|error| error.to_string())?;
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(format!("kubectl {}: {said}", words.join(" "))) }
    }
}

#[async_trait]
impl Fixture for Real {
    fn api(&self) -> &ClusterApi {
        &self.api
    }

    fn worker(&self) -> NodeName {
        NodeName::new(std::env::var(WORKER).unwrap()).unwrap()
    }

    fn image(&self) -> String {
        std::env::var(IMAGE).unwrap()
    }

    async fn apply(&self, object: Value) -> Outcome {
        self.kubectl(&["apply", "-f", "-"], &object.to_string())
    }

    async fn delete(&self, resource: &str, namespace: &str, name: &str) -> Outcome {
        let place = if namespace.is_empty() { vec![] } else { vec!["--namespace", namespace] };
        self.kubectl(&[&["delete", "--wait=false", "--ignore-not-found", resource, name][..], &place].concat(), "")
    }

    async fn cordon_by_hand(&self, node: &NodeName, cordon: bool) -> Outcome {
        self.kubectl(&[if cordon { "cordon" } else { "uncordon" }, node.as_str()], "")
    }
}

#[tokio::test]
async fn a_real_api_server_passes_every_case() {
    let Ok(kubeconfig) = std::env::var(WANTED) else {
        eprintln!("a real API server's part runs in a lab, with {WANTED}");
        return;
    };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let api = ClusterApi::from_kubeconfig(Path::new(&kubeconfig), &[], Arc::new(OpenGate), Arc::new(SystemClock))
        .await
        .unwrap();
    let real = Real { api, kubeconfig };
    for case in CASES {
        (case.run)(&real).await.unwrap_or_else(|wrong| panic!("{}: {wrong}", case.name));
        println!("holds: {}", case.name);
    }
}
