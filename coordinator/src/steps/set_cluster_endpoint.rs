//! What newcomers and kube-proxy read in the cluster names the new address: the ConfigMaps kube-proxy, cluster-info and kubeadm-config.

use async_trait::async_trait;
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_types::StepId;

use super::fail::api;
use crate::endpoints::host_of;
use crate::world::World;

/// A ConfigMap, and the word before the address in it.
const PLACES: [(&str, &str, &str); 3] = [
    ("kube-system", "kube-proxy", "server:"),
    ("kube-public", "cluster-info", "server:"),
    ("kube-system", "kubeadm-config", "controlPlaneEndpoint:"),
];

/// See the module.
pub struct SetClusterEndpoint {
    /// Such as `https://10.0.0.10:6443`.
    pub server: String,
}

impl SetClusterEndpoint {
    /// The value as each of them writes it.
    fn value(&self, word: &str) -> &str {
        if word == "server:" { &self.server } else { self.server.trim_start_matches("https://") }
    }
}

#[async_trait]
impl Step<World> for SetClusterEndpoint {
    fn id(&self) -> StepId {
        StepId("set-cluster-endpoint".to_owned())
    }

    fn summary(&self) -> String {
        format!("kube-proxy and newcomers find the API at {}", host_of(&self.server))
    }

    fn by_hand(&self) -> Vec<String> {
        let mut lines: Vec<String> = PLACES
            .iter()
            .map(|(namespace, name, word)| {
                format!("kubectl edit configmap -n {namespace} {name}   # {word} {}", self.value(word))
            })
            .collect();
        lines.push("kubectl rollout restart -n kube-system daemonset/kube-proxy".to_owned());
        lines
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        for (namespace, name, word) in PLACES {
            let lines = cx.world.cluster.config_map_lines(namespace, name, word).await;
            if lines.map_err(|error| api(error.into()))?.iter().any(|value| value != self.value(word)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let mut record = Vec::new();
        for (namespace, name, word) in PLACES {
            let changed = cx.world.cluster.set_config_map_line(namespace, name, word, self.value(word)).await;
            if changed.map_err(|error| api(error.into()))? {
                record.push(format!("{namespace}/{name}: {word} {}", self.value(word)));
                if name == "kube-proxy" {
                    let restarted = cx.world.cluster.restart_daemon_set("kube-system", "kube-proxy", &cx.run.0).await;
                    restarted.map_err(|error| api(error.into()))?;
                    record.push("restarted kube-system/kube-proxy, pod by pod".to_owned());
                }
            }
        }
        Ok(record)
    }
}
