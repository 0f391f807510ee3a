//! Labels, annotations and taints that a node is given when it joins: read from what a person typed, checked as the API server would, and put
//! on the Node in one conditional patch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slipway_types::NodeName;

use crate::cordon::Decision;
use crate::{ClusterApi, Error, Node, NodeTaint};

/// More of them on one node are a mistake.
const MOST: usize = 64;
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
/// The kubelet writes these itself, and a canary is bound by one of them.
const OF_THE_KUBELET: [&str; 3] = ["kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"];
/// They make a master of a node in everybody's eyes.
const OF_MASTERS: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
/// Ours: cordons and runs are told by them.
const OURS: &str = "slipway.dev/";
/// Taints by which the cluster says how a node is.
const BY_STATE: &str = "node.kubernetes.io/";

/// What a node is to carry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeMarks {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// Taints.
    pub taints: Vec<NodeTaint>,
}

/// A mark that no node can carry, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {text:?}: {why}")]
pub struct InvalidMark {
    /// `label`, `annotation` or `taint`.
    pub what: &'static str,
    /// As it was typed.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl NodeMarks {
    /// Reads `key=value` labels and annotations, and taints as kubectl writes them: `key=value:Effect` or `key:Effect`.
    pub fn parse(labels: &[String], annotations: &[String], taints: &[String]) -> Result<Self, InvalidMark> {
        let mut marks = Self::default();
        for text in labels {
            let (key, value) = pair("label", text)?;
            let bad = |why| Err(InvalidMark { what: "label", text: text.clone(), why });
            if !is_value(value) {
                return bad("a value is at most 63 letters, digits, '-', '_' and '.', and ends with a letter or digit");
            }
            if OF_THE_KUBELET.contains(&key) {
                return bad("the kubelet writes that label itself");
            }
            if OF_MASTERS.contains(&key) {
                return bad("that label makes a master of a node; a join as a master sets it");
            }
            if marks.labels.insert(key.to_owned(), value.to_owned()).is_some() {
                return bad("the key is given twice");
            }
        }
        for text in annotations {
            let (key, value) = pair("annotation", text)?;
            if marks.annotations.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(InvalidMark { what: "annotation", text: text.clone(), why: "the key is given twice" });
            }
        }
        for text in taints {
            let bad = |why| InvalidMark { what: "taint", text: text.clone(), why };
            let taint = taint(text).map_err(bad)?;
            if marks.taints.iter().any(|one| (&one.key, &one.effect) == (&taint.key, &taint.effect)) {
                return Err(bad("key and effect are given twice"));
            }
            marks.taints.push(taint);
        }
        let count = marks.labels.len() + marks.annotations.len() + marks.taints.len();
        if count > MOST {
            return Err(InvalidMark { what: "mark", text: count.to_string(), why: "64 on one node are the limit" });
        }
        Ok(marks)
    }

    /// True where there is nothing to put on.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One line that names them all.
    pub fn sentence(&self) -> String {
        let pair = |what: &'static str| move |(key, value): (&String, &String)| format!("{what} {key}={value}");
        let labels = self.labels.iter().map(pair("label"));
        let annotations = self.annotations.iter().map(pair("annotation"));
        let taints = self.taints.iter().map(|taint| format!("taint {}", shown(taint)));
        labels.chain(annotations).chain(taints).collect::<Vec<_>>().join(", ")
    }

    /// The commands that do the same.
    pub fn by_hand(&self, node: &NodeName) -> Vec<String> {
        let pairs = |verb: &str, marks: &BTreeMap<String, String>| {
            let words: Vec<String> = marks.iter().map(|(key, value)| format!("{key}={value}")).collect();
            (!marks.is_empty()).then(|| format!("kubectl {verb} node {node} {}", words.join(" ")))
        };
        let taints: Vec<String> = self.taints.iter().map(shown).collect();
        let taint = (!self.taints.is_empty()).then(|| format!("kubectl taint node {node} {}", taints.join(" ")));
        [pairs("label", &self.labels), pairs("annotate", &self.annotations), taint].into_iter().flatten().collect()
    }

    /// Whether the node carries all of them.
    pub fn are_on(&self, node: &Node) -> bool {
        let all = |wanted: &BTreeMap<String, String>, found: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| found.get(key) == Some(value))
        };
        let tainted =
            |taint: &NodeTaint| node.taints.iter().any(|found| same(found, taint) && found.value == taint.value);
        all(&self.labels, &node.labels) && all(&self.annotations, &node.annotations) && self.taints.iter().all(tainted)
    }

    /// What puts them on; nothing where they are there. Taints are one list, so those of others are written again as they were seen.
    fn decide(&self, node: &Node) -> Decision<bool> {
        if self.are_on(node) {
            return Ok(false);
        }
        let kept = node.taints.iter().filter(|found| !self.taints.iter().any(|taint| same(found, taint)));
        let taints: Vec<Value> = kept.chain(&self.taints).cloned().map(NodeTaint::object).collect();
        let metadata = json!({
            "resourceVersion": node.resource_version, "labels": self.labels, "annotations": self.annotations,
        });
        let mut patch = json!({"metadata": metadata});
        if !self.taints.is_empty() {
            patch["spec"] = json!({"taints": taints});
        }
        Err(patch)
    }
}

fn same(a: &NodeTaint, b: &NodeTaint) -> bool {
    a.key == b.key && a.effect == b.effect
}

fn shown(taint: &NodeTaint) -> String {
    let value = if taint.value.is_empty() { String::new() } else { format!("={}", taint.value) };
    format!("{}{value}:{}", taint.key, taint.effect)
}

fn pair<'t>(what: &'static str, text: &'t str) -> Result<(&'t str, &'t str), InvalidMark> {
    let bad = |why| InvalidMark { what, text: text.to_owned(), why };
    let (key, value) = text.split_once('=').ok_or_else(|| bad("it is written key=value"))?;
    match key_trouble(key) {
        Some(why) => Err(bad(why)),
        None => Ok((key, value)),
    }
}

fn taint(text: &str) -> Result<NodeTaint, &'static str> {
    let (rest, effect) = text.rsplit_once(':').ok_or("it is written key=value:Effect")?;
    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
    if let Some(why) = key_trouble(key) {
        return Err(why);
    }
    if key.starts_with(BY_STATE) {
        return Err("the cluster sets and takes off that taint itself");
    }
    if !is_value(value) {
        return Err("a value is at most 63 letters, digits, '-', '_' and '.', and ends with a letter or digit");
    }
    if !EFFECTS.contains(&effect) {
        return Err("the effect is NoSchedule, PreferNoSchedule or NoExecute");
    }
    Ok(NodeTaint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned(), added: None })
}

fn key_trouble(key: &str) -> Option<&'static str> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let dns = |prefix: &str| {
        let label = |label: &str| {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            !label.is_empty() && label.chars().all(legal) && !label.starts_with('-') && !label.ends_with('-')
        };
        prefix.len() <= 253 && prefix.split('.').all(label)
    };
    if name.is_empty() || !is_value(name) || prefix.is_some_and(|prefix| !dns(prefix)) {
        return Some("a key is a name such as pool, or example.com/pool");
    }
    key.starts_with(OURS).then_some("keys of slipway.dev are Slipway's own")
}

/// Also the form of the name in a key, which may not be empty.
fn is_value(text: &str) -> bool {
    let middle = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(middle) && end(text.chars().next()) && end(text.chars().last())
}

impl ClusterApi {
    /// Puts the marks on the node with that uid; false where they were there.
    pub async fn mark_node(&self, name: &NodeName, uid: &str, marks: &NodeMarks) -> Result<bool, Error> {
        let doing = format!("put labels and taints on node {name}");
        self.change_node(&doing, name, uid, true, |node| marks.decide(node)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::node;

    fn marks(labels: &[&str], annotations: &[&str], taints: &[&str]) -> Result<NodeMarks, InvalidMark> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        NodeMarks::parse(&owned(labels), &owned(annotations), &owned(taints))
    }

    #[test]
    fn what_no_node_can_carry_is_refused() {
        for label in [
            "pool",
            "=web",
            "pool=a b",
            "Example.com/pool=a",
            "kubernetes.io/hostname=w9",
            "node-role.kubernetes.io/control-plane=",
            "slipway.dev/x=1",
        ] {
            assert!(marks(&[label], &[], &[]).is_err(), "{label}");
        }
        for annotation in ["owner", "slipway.dev/cordoned-by=me", "-x=y"] {
            assert!(marks(&[], &[annotation], &[]).is_err(), "{annotation}");
        }
        for taint in ["gpu=yes", "gpu=yes:Never", "node.kubernetes.io/not-ready:NoSchedule", ":NoSchedule"] {
            assert!(marks(&[], &[], &[taint]).is_err(), "{taint}");
        }
        assert!(marks(&["pool=a", "pool=b"], &[], &[]).is_err(), "which one?");
        assert!(marks(&[], &[], &["gpu:NoSchedule", "gpu=b:NoSchedule"]).is_err(), "which one?");
    }

    #[test]
    fn they_are_shown_as_they_were_typed() {
        let marks =
            marks(&["pool=web", "empty="], &["example.com/owner=a b: c"], &["gpu:NoSchedule", "db=1:NoExecute"]);
        let marks = marks.unwrap();
        assert_eq!(
            marks.sentence(),
            "label empty=, label pool=web, annotation example.com/owner=a b: c, taint gpu:NoSchedule, taint db=1:NoExecute"
        );
        assert_eq!(marks.by_hand(&"w2".parse().unwrap())[2], "kubectl taint node w2 gpu:NoSchedule db=1:NoExecute");
    }

    #[test]
    fn a_taint_of_somebody_else_stays_and_one_of_the_same_key_and_effect_is_replaced() {
        let seen = node(json!({
            "metadata": {"name": "w2", "resourceVersion": "9", "labels": {"kubernetes.io/os": "linux"}},
            "spec": {"taints": [{"key": "cni", "effect": "NoSchedule"}, {"key": "db", "value": "0", "effect": "NoExecute"}]},
        }));
        let wanted = marks(&["pool=web"], &[], &["db=1:NoExecute"]).unwrap();
        let patch = wanted.decide(&seen).unwrap_err();
        assert_eq!(patch["metadata"]["resourceVersion"], "9");
        let taints =
            json!([{"key": "cni", "effect": "NoSchedule"}, {"key": "db", "value": "1", "effect": "NoExecute"}]);
        assert_eq!(patch["spec"]["taints"], taints);
        let labels_alone = marks(&["pool=web"], &[], &[]).unwrap().decide(&seen).unwrap_err();
        assert!(labels_alone.get("spec").is_none(), "taints that nobody asked for are not written");
        assert!(!marks(&["kubernetes.io/x=linux"], &[], &[]).unwrap().are_on(&seen));
        assert_eq!(NodeMarks::default().decide(&seen), Ok(false));
    }
}
