//! Reading the few ConfigMaps in which kubeadm keeps how hosts reach the API.

use k8s_openapi::api::core::v1::ConfigMap;

use crate::{ClusterApi, Error};

/// No more of one is looked at.
const MOST_BYTES: usize = 1024 * 1024;

impl ClusterApi {
    /// All values of a ConfigMap, one after the other; none where there is no such ConfigMap.
    pub async fn config_map_text(&self, namespace: &str, name: &str) -> Result<Option<String>, Error> {
        let api: kube::Api<ConfigMap> = kube::Api::namespaced(self.client(), namespace);
        let found = self.call_opt(&format!("look at the ConfigMap {namespace}/{name}"), api.get(name)).await?;
        Ok(found.map(|found| {
            let values: Vec<String> = found.data.unwrap_or_default().into_values().collect();
            values.join("\n").chars().take(MOST_BYTES).collect()
        }))
    }
}
