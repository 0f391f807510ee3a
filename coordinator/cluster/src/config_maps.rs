//! The few ConfigMaps in which kubeadm keeps how hosts reach the API: read as text, and changed by one line, conditionally.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use crate::{ClusterApi, Error};

/// No more of one is looked at.
const MOST_BYTES: usize = 1024 * 1024;

impl ClusterApi {
    /// All values of a ConfigMap, one after the other; none where there is no such ConfigMap.
    pub async fn config_map_text(&self, namespace: &str, name: &str) -> Result<Option<String>, Error> {
        let found = self.config_map(namespace, name).await?;
        Ok(found.map(|found| {
            let values: Vec<String> = found.data.unwrap_or_default().into_values().collect();
            values.join("\n").chars().take(MOST_BYTES).collect()
        }))
    }

    /// One value of a ConfigMap, by its key.
    pub async fn config_map_value(&self, namespace: &str, name: &str, key: &str) -> Result<Option<String>, Error> {
        let data = self.config_map(namespace, name).await?.and_then(|found| found.data);
        Ok(data.and_then(|mut data| data.remove(key)).map(|text| text.chars().take(MOST_BYTES).collect()))
    }

    /// What stands behind `word` in the lines of a ConfigMap.
    pub async fn config_map_lines(&self, namespace: &str, name: &str, word: &str) -> Result<Vec<String>, Error> {
        let text = self.config_map_text(namespace, name).await?.unwrap_or_default();
        Ok(text.lines().filter_map(|line| value_of(line, word)).map(str::to_owned).collect())
    }

    /// Puts `value` behind `word` in each line that has it; false where it stands there already, or nowhere.
    pub async fn set_config_map_line(
        &self,
        namespace: &str,
        name: &str,
        word: &str,
        value: &str,
    ) -> Result<bool, Error> {
        let Some(found) = self.config_map(namespace, name).await? else { return Ok(false) };
        let mut data = Map::new();
        for (key, text) in found.data.unwrap_or_default() {
            let changed = with_line(&text, word, value);
            if changed != text {
                data.insert(key, Value::String(changed));
            }
        }
        if data.is_empty() {
            return Ok(false);
        }
        let patch = json!({"metadata": {"resourceVersion": found.metadata.resource_version}, "data": data});
        let doing = format!("change the ConfigMap {namespace}/{name}");
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{name}");
        self.merge_patch::<Value>(&doing, &path, &patch).await.map(|_| true)
    }

    /// Lets a DaemonSet replace its pods one after the other, as `kubectl rollout restart` does. The same `mark` again changes nothing.
    pub async fn restart_daemon_set(&self, namespace: &str, name: &str, mark: &str) -> Result<(), Error> {
        let annotations = json!({"slipway.dev/restarted-by": mark});
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}");
        self.merge_patch::<Value>(&format!("restart the DaemonSet {namespace}/{name}"), &path, &patch).await.map(|_| ())
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, Error> {
        let api: kube::Api<ConfigMap> = kube::Api::namespaced(self.client(), namespace);
        self.call_opt(&format!("look at the ConfigMap {namespace}/{name}"), api.get(name)).await
    }
}

fn value_of<'t>(line: &'t str, word: &str) -> Option<&'t str> {
    line.trim().strip_prefix(word).map(|value| value.trim().trim_matches(['"', '\'']))
}

/// The text with `value` behind `word`; indentation and everything else stay.
fn with_line(text: &str, word: &str, value: &str) -> String {
    let line = |line: &str| match value_of(line, word) {
        Some(_) => {
            let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            format!("{indent}{word} {value}")
        }
        None => line.to_owned(),
    };
    let mut changed: String = text.lines().map(line).collect::<Vec<_>>().join("\n");
    if text.ends_with('\n') {
        changed.push('\n');
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_the_rest_stays_to_the_letter() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443 \n  name: default\n";
        let changed = with_line(text, "server:", "https://10.0.0.10:6443");
        assert_eq!(
            changed,
            "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.10:6443\n  name: default\n"
        );
        assert_eq!(with_line(&changed, "server:", "https://10.0.0.10:6443"), changed);
        assert_eq!(with_line("no such line", "server:", "x"), "no such line");
        assert_eq!(value_of("controlPlaneEndpoint: \"api:6443\"", "controlPlaneEndpoint:"), Some("api:6443"));
    }
}
