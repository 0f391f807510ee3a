//! The table: embedded TOML, over which a site lays fragments of its own, key by key. It is checked as a whole when it is read, so that a rule
//! with a typing error is found at the start and not in the middle of an upgrade.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::KubernetesVersion;

use super::numbers::{Dotted, Minor};
use super::rule::Rule;

/// Where fragments are looked for, later ones winning.
pub const FOLDERS: [&str; 2] = ["/usr/lib/slipway/versions.d", "/etc/slipway/versions.d"];

const EMBEDDED: &[(&str, &str)] = &[
    ("skew.toml", include_str!("../../versions/skew.toml")),
    ("etcd.toml", include_str!("../../versions/etcd.toml")),
    ("hosts.toml", include_str!("../../versions/hosts.toml")),
    ("cluster.toml", include_str!("../../versions/cluster.toml")),
];

/// Everything that is known of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Table {
    /// How far versions may be apart.
    pub skew: Skew,
    /// Which etcd kubeadm brings.
    pub etcd: EtcdImages,
    /// Everything else, by name.
    pub rules: BTreeMap<String, Rule>,
}

/// How far versions may be apart, in minors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Skew {
    /// Minors that API servers take in one step.
    pub step: u16,
    /// Minors that API servers may be apart from each other.
    pub api_servers_apart: u16,
    /// Minors that a kubelet may be behind its API server.
    pub kubelet_behind: u16,
    /// The same for older API servers.
    pub kubelet_behind_older: OlderSkew,
    /// Where this comes from.
    pub source: Vec<String>,
}

/// An older rule of the skew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OlderSkew {
    /// API servers before this minor.
    pub before: Minor,
    /// Minors.
    pub behind: u16,
}

/// Which etcd kubeadm brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EtcdImages {
    /// The image tag by the first release of Kubernetes that is known to bring it.
    pub brought: BTreeMap<String, String>,
    /// Minors that etcd takes in one step.
    pub step: u16,
    /// Where this comes from.
    pub source: Vec<String>,
}

impl Table {
    /// The embedded table with the fragments of these folders over it.
    pub fn load(folders: &[impl AsRef<Path>]) -> Result<Self, Coded> {
        slipway_config::load_over::<Self>(EMBEDDED, folders, "--print-versions")?.validated()
    }

    /// The embedded table as it is.
    pub fn embedded() -> Result<Arc<Self>, Coded> {
        static ONCE: OnceLock<Arc<Table>> = OnceLock::new();
        if let Some(table) = ONCE.get() {
            return Ok(table.clone());
        }
        let table = Arc::new(Self::load(&[] as &[&Path])?);
        Ok(ONCE.get_or_init(|| table).clone())
    }

    /// The tag of the etcd image that kubeadm brings with that release: of the newest release known that is not newer, in the same minor.
    pub fn etcd_brought(&self, target: KubernetesVersion) -> Option<&str> {
        self.releases()
            .filter(|(release, _)| Minor::from(*release) == Minor::from(target) && *release <= target)
            .max_by_key(|(release, _)| *release)
            .map(|(_, tag)| tag)
    }

    /// The newest minor that the table knows.
    pub fn newest(&self) -> Option<Minor> {
        self.releases().map(|(release, _)| release.into()).max()
    }

    /// How many minors a kubelet may be behind API servers of that minor.
    pub fn kubelet_behind(&self, api_servers: Minor) -> u16 {
        let older = &self.skew.kubelet_behind_older;
        if api_servers < older.before { older.behind } else { self.skew.kubelet_behind }
    }

    fn releases(&self) -> impl Iterator<Item = (KubernetesVersion, &str)> {
        self.etcd.brought.iter().filter_map(|(release, tag)| Some((release.parse().ok()?, tag.as_str())))
    }

    fn validated(self) -> Result<Self, Coded> {
        for (release, tag) in &self.etcd.brought {
            if release.parse::<KubernetesVersion>().is_err() || tag.parse::<Dotted>().is_err() {
                return Err(bad(
                    "etcd.brought",
                    &format!("{release:?} = {tag:?} is no release with the tag of an image"),
                ));
            }
        }
        sourced("skew", &self.skew.source)?;
        sourced("etcd", &self.etcd.source)?;
        for (name, rule) in &self.rules {
            let key = format!("rules.{name}");
            sourced(&key, &rule.source)?;
            consistent(&key, rule)?;
        }
        Ok(self)
    }
}

fn consistent(key: &str, rule: &Rule) -> Result<(), Coded> {
    if Code::parse(&rule.code).is_none() {
        return Err(bad(&format!("{key}.code"), &format!("there is no code {:?}", rule.code)));
    }
    if rule.crossing && rule.from.is_none() {
        return Err(bad(key, "a rule for a crossing says into which minor, by `from`"));
    }
    let subjects = [rule.node.is_some(), rule.member.is_some(), rule.impasse.is_some()];
    if subjects.into_iter().filter(|is| *is).count() > 1 {
        return Err(bad(key, "a rule is about nodes, about members or about budgets"));
    }
    if rule.raises_etcd_to.as_deref().is_some_and(|tag| rule.member.is_none() || tag.parse::<Dotted>().is_err()) {
        return Err(bad(&format!("{key}.raises-etcd-to"), "is the tag of an image, in a rule about members"));
    }
    let known = rule.placeholders();
    for text in [&rule.text, &rule.way_out] {
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once('{') {
            let (name, beyond) = after.split_once('}').unwrap_or((after, ""));
            if !known.contains(&name) {
                let message =
                    format!("the text has {{{name}}}, which this rule cannot fill; it can {}", known.join(", "));
                return Err(bad(key, &message));
            }
            rest = beyond;
        }
    }
    Ok(())
}

/// A source can be looked up: an address, or an issue of a repository.
fn sourced(key: &str, source: &[String]) -> Result<(), Coded> {
    let issue = |text: &str| {
        text.split_once('#').is_some_and(|(repository, number)| {
            repository.split('/').filter(|part| !part.is_empty()).count() == 2
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    if source.is_empty() || !source.iter().all(|one| one.starts_with("https://") || issue(one)) {
        return Err(bad(
            &format!("{key}.source"),
            "names addresses (https://) or issues (owner/repository#1), at least one",
        ));
    }
    Ok(())
}

fn bad(key: &str, rule: &str) -> Coded {
    Coded::new(Code::CONF_BAD_VALUE, format!("the version table, {key}: {rule}"))
        .do_this("`slipway-coordinator --print-versions` shows the table with every key")
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
