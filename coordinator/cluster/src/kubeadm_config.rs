//! What kubeadm was told of the cluster, as it keeps it in the ConfigMap kube-system/kubeadm-config: the few fields that decide over an upgrade.
//! Fields that are missing or of another shape are left out: kubeadm reads the whole of it again, and judges it better.

use serde_json::Value;

use crate::{ClusterApi, Error};

/// Where the cluster's own pods run, and kubeadm keeps what it knows.
pub const KUBE_SYSTEM: &str = "kube-system";
const NAME: &str = "kubeadm-config";
/// The most names of one list that are kept.
const MOST: usize = 256;

/// The ClusterConfiguration, in the words that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeadmConfig {
    /// `kubernetesVersion`, such as `v1.33.13`; empty where it is not set.
    pub version: String,
    /// `imageRepository`; empty where it is not set.
    pub images: String,
    /// `etcd.local.imageTag`.
    pub etcd_image_tag: Option<String>,
    /// The names under `featureGates`.
    pub gates: Vec<String>,
    /// The names under `controllerManager.extraArgs`, without dashes.
    pub controller_manager_flags: Vec<String>,
}

impl KubeadmConfig {
    /// Reads the YAML.
    fn of(text: &str) -> Self {
        let config: Value = serde_saphyr::from_str(text).unwrap_or_default();
        let string = |at: &str| config.pointer(at).and_then(Value::as_str).map(str::to_owned);
        Self {
            version: string("/kubernetesVersion").unwrap_or_default(),
            images: string("/imageRepository").unwrap_or_default(),
            etcd_image_tag: string("/etcd/local/imageTag").filter(|tag| !tag.is_empty()),
            gates: names(config.pointer("/featureGates")),
            controller_manager_flags: names(config.pointer("/controllerManager/extraArgs")),
        }
    }
}

/// The names in a map, or in a list of `{name, value}` as later versions of the configuration have it.
fn names(value: Option<&Value>) -> Vec<String> {
    let all: Vec<String> = match value {
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Array(list)) => list.iter().filter_map(|one| Some(one["name"].as_str()?.to_owned())).collect(),
        _ => Vec::new(),
    };
    all.into_iter().take(MOST).map(|name| name.trim_start_matches('-').to_owned()).collect()
}

impl ClusterApi {
    /// What kubeadm was told of this cluster; none where it keeps nothing there.
    pub async fn kubeadm_config(&self) -> Result<Option<KubeadmConfig>, Error> {
        Ok(self.config_map_value(KUBE_SYSTEM, NAME, "ClusterConfiguration").await?.map(|text| KubeadmConfig::of(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_extra_arguments_are_read_and_what_is_missing_is_left_out() {
        let text = "kubernetesVersion: v1.33.13\nimageRepository: kube.test\nfeatureGates:\n  EtcdLearnerMode: true\n\
                    etcd:\n  local:\n    imageTag: 3.5.26-0\ncontrollerManager:\n  extraArgs:\n  - name: flex-volume-plugin-dir\n    value: /x\n";
        let config = KubeadmConfig::of(text);
        assert_eq!((config.version.as_str(), config.images.as_str()), ("v1.33.13", "kube.test"));
        assert_eq!(config.etcd_image_tag.as_deref(), Some("3.5.26-0"));
        assert_eq!(
            (config.gates, config.controller_manager_flags.clone()),
            (vec!["EtcdLearnerMode".to_owned()], vec!["flex-volume-plugin-dir".to_owned()])
        );
        let older = KubeadmConfig::of("controllerManager:\n  extraArgs:\n    flex-volume-plugin-dir: /x\n");
        assert_eq!(older.controller_manager_flags, config.controller_manager_flags);
        assert_eq!(KubeadmConfig::of("no yaml: ["), KubeadmConfig::default());
    }
}
