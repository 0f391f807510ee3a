//! Whose is it? What the chosen profiles own, and which CNI networks on this host are Kubernetes' and which somebody else's. Everything that
//! is removed is asked about here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::pattern;
use crate::profile::{ConfigRule, Profile};

/// A file of `/etc/cni/net.d` with its content.
pub type ConfigFile = (PathBuf, String);

/// CNI networks, by whose they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    /// Names of networks that a profile owns.
    pub ours: BTreeSet<String>,
    /// Names of networks that have a configuration and that no profile owns: podman's, nerdctl's, the user's.
    pub foreign: BTreeSet<String>,
    /// The configurations of ours.
    pub configs: Vec<PathBuf>,
    /// Ids of containers that were attached to networks of ours.
    pub containers: BTreeSet<String>,
}

/// What a cleanup may touch.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The profiles that it goes by.
    pub profiles: Vec<&'a Profile>,
    /// The networks of the host.
    pub networks: Networks,
}

impl<'a> Scope<'a> {
    /// Sorts the networks of the host by the profiles.
    pub fn new(profiles: Vec<&'a Profile>, configs: &[ConfigFile], results: &[String]) -> Self {
        let mut networks = Networks {
            ours: profiles.iter().flat_map(|profile| profile.networks.iter().cloned()).collect(),
            ..Networks::default()
        };
        for (path, text) in configs {
            let config = NetworkConfig::parse(text);
            if profiles.iter().any(|profile| owns_config(profile, path, &config)) {
                networks.configs.push(path.clone());
                networks.ours.insert(config.name);
            } else if !config.is_loopback_alone() {
                networks.foreign.insert(config.name);
            }
        }
        // A name that somebody else uses as well proves nothing.
        networks.ours = &networks.ours - &networks.foreign;
        networks.containers = results
            .iter()
            .filter_map(|text| Attachment::parse(text))
            .filter(|it| it.is_ours(&networks))
            .map(|it| it.container)
            .collect();
        Self { profiles, networks }
    }

    /// Whether the container runtimes of other people use CNI here.
    pub fn is_alone(&self) -> bool {
        self.networks.foreign.is_empty()
    }

    /// Whether a comment of the standard plugins names a network or a container of ours.
    pub fn comment_is_ours(&self, comment: &str) -> bool {
        match named_network(comment) {
            Some(network) => self.networks.ours.contains(&network),
            None => self.networks.containers.iter().any(|id| id.len() >= 12 && comment.contains(id.as_str())),
        }
    }

    /// Whether an attachment that the plugins' library noted is ours.
    pub fn attachment_is_ours(&self, text: &str) -> bool {
        Attachment::parse(text).is_some_and(|it| it.is_ours(&self.networks))
    }
}

/// The network that a comment names: `name: "lab" id: "..."` of iptables, `..., net: lab, if: eth0, id: ...` of nftables.
pub fn named_network(comment: &str) -> Option<String> {
    if let Some((_, rest)) = comment.split_once("name: \"") {
        return rest.split_once('"').map(|(name, _)| name.to_owned());
    }
    let (_, rest) = comment.split_once(", net: ")?;
    rest.split_once(',').map(|(name, _)| name.to_owned())
}

/// Whether one of the profile's rules describes the configuration.
pub fn owns_config(profile: &Profile, path: &Path, config: &NetworkConfig) -> bool {
    let Some(file) = path.file_name().and_then(|name| name.to_str()) else { return false };
    profile.config.iter().any(|rule| rule_describes(rule, file, config))
}

fn rule_describes(rule: &ConfigRule, file: &str, config: &NetworkConfig) -> bool {
    pattern::matches(&rule.file, file)
        && !pattern::any(&rule.except, &config.name)
        && rule.plugin.as_ref().is_none_or(|wanted| config.plugins.iter().any(|(plugin, _)| plugin == wanted))
        && rule.bridge.as_ref().is_none_or(|wanted| {
            config
                .plugins
                .iter()
                .any(|(plugin, bridge)| plugin == "bridge" && bridge.as_deref().unwrap_or("cni0") == wanted)
        })
}

/// A network's configuration, as far as it says whose it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkConfig {
    /// The network's name.
    pub name: String,
    /// The plugins that it calls, and the bridge that each names.
    pub plugins: Vec<(String, Option<String>)>,
}

impl NetworkConfig {
    /// Reads a `.conflist` or a `.conf`. What cannot be read has no name and no plugin, so no content rule describes it.
    pub fn parse(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap_or_default();
        let word = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let plugin = |value: &Value| word(value, "type").map(|kind| (kind, word(value, "bridge")));
        let plugins = match json.get("plugins").and_then(Value::as_array) {
            Some(list) => list.iter().filter_map(plugin).collect(),
            None => plugin(&json).into_iter().collect(),
        };
        Self { name: word(&json, "name").unwrap_or_default(), plugins }
    }

    fn is_loopback_alone(&self) -> bool {
        !self.plugins.is_empty() && self.plugins.iter().all(|(plugin, _)| plugin == "loopback")
    }
}

struct Attachment {
    network: String,
    container: String,
    of_a_pod: bool,
}

impl Attachment {
    fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let word = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let args = json.get("cniArgs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let of_a_pod = args.iter().any(|pair| pair.get(0).and_then(Value::as_str) == Some("K8S_POD_NAMESPACE"));
        Some(Self { network: word("networkName"), container: word("containerId"), of_a_pod })
    }

    fn is_ours(&self, networks: &Networks) -> bool {
        networks.ours.contains(&self.network) || (self.of_a_pod && !networks.foreign.contains(&self.network))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

    const LAB: &str = r#"{"name":"lab-bridge","plugins":[{"type":"bridge","bridge":"cni0"},{"type":"portmap"}]}"#;
    const PODMAN: &str = r#"{"name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0"},{"type":"portmap"}]}"#;

    fn scope<'a>(profiles: &'a Profiles, configs: &[(&str, &str)]) -> Scope<'a> {
        let configs: Vec<ConfigFile> =
            configs.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        Scope::new(profiles.all().iter().collect(), &configs, &[])
    }

    #[test]
    fn podmans_network_is_foreign_though_it_uses_the_same_plugin() {
        let profiles = Profiles::embedded().unwrap();
        let scope = scope(
            &profiles,
            &[
                ("/etc/cni/net.d/10-bridge.conflist", LAB),
                ("/etc/cni/net.d/87-podman-bridge.conflist", PODMAN),
                ("/etc/cni/net.d/99-loopback.conf", r#"{"name":"lo","type":"loopback"}"#),
            ],
        );
        assert_eq!(scope.networks.configs, [PathBuf::from("/etc/cni/net.d/10-bridge.conflist")]);
        assert!(scope.networks.ours.contains("lab-bridge"));
        assert_eq!(scope.networks.foreign, BTreeSet::from(["podman".to_owned()]));
        assert!(!scope.is_alone());
    }

    #[test]
    fn a_network_name_that_a_foreign_configuration_uses_is_not_ours() {
        let profiles = Profiles::embedded().unwrap();
        let mine = r#"{"name":"cbr0","plugins":[{"type":"macvlan"}]}"#;
        assert!(!scope(&profiles, &[("/etc/cni/net.d/50-mine.conflist", mine)]).networks.ours.contains("cbr0"));
        assert!(scope(&profiles, &[]).networks.ours.contains("cbr0"));
    }

    #[test]
    fn an_unreadable_configuration_belongs_to_no_profile() {
        let profiles = Profiles::embedded().unwrap();
        assert_eq!(
            scope(&profiles, &[("/etc/cni/net.d/10-bridge.conflist", "{")]).networks.configs,
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn comments_of_both_kinds_name_their_network() {
        assert_eq!(named_network(r#"dnat name: "lab" id: "12""#).as_deref(), Some("lab"));
        assert_eq!(named_network("0f3a-99, net: lab, if: eth0, id: 12").as_deref(), Some("lab"));
        assert_eq!(named_network("mine"), None);
    }

    #[test]
    fn a_pods_attachment_is_ours_unless_its_network_is_foreign() {
        let profiles = Profiles::embedded().unwrap();
        let noted = |network: &str| {
            format!(
                r#"{{"networkName":"{network}","containerId":"abcdefabcdef01","cniArgs":[["K8S_POD_NAMESPACE","shop"]]}}"#
            )
        };
        let scope = scope(&profiles, &[("/etc/cni/net.d/87-podman.conflist", PODMAN)]);
        assert!(scope.attachment_is_ours(&noted("gone")));
        assert!(!scope.attachment_is_ours(&noted("podman")));
        assert!(!scope.attachment_is_ours(r#"{"networkName":"other","containerId":"x"}"#));
        assert!(!scope.attachment_is_ours("no json"));
    }
}
