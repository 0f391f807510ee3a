//! Proof that only what was planned has gone: the firewall before, less the removals, must equal the firewall after. What changes by itself
//! (counters, handles, elements that traffic adds) does not count; the order of rules within a chain does.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::iptables;
use super::netfilter::{Removed, kept_by_iptables};
use super::nft;
use crate::{Iptables, Ruleset};

/// The part of a firewall that stays, one canonical text per chain, set or other object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreign(BTreeMap<String, String>);

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Chains, sets and other objects that are not ours.
    pub objects: usize,
    /// Hash of all of them before.
    pub before: String,
    /// Hash of all of them after.
    pub after: String,
    /// One line for each that differs; at most 20.
    pub differences: Vec<String>,
}

impl Comparison {
    /// Nothing foreign changed.
    pub fn is_equal(&self) -> bool {
        self.before == self.after
    }

    /// Lines for the run's record.
    pub fn record(&self) -> Vec<String> {
        let verdict = if self.is_equal() { "unchanged" } else { "CHANGED" };
        let mut lines = vec![format!(
            "firewall that is not ours: {} objects, {verdict}; sha256 before {}, after {}",
            self.objects, self.before, self.after
        )];
        lines.extend(self.differences.iter().cloned());
        lines
    }
}

impl Foreign {
    /// What stays of `ruleset` once `removed` is gone.
    pub fn of(ruleset: &Ruleset, removed: &Removed) -> Self {
        let mut parts = BTreeMap::new();
        for (which, text) in &ruleset.iptables {
            iptables_parts(*which, text, removed, &mut parts);
        }
        let kept = kept_by_iptables(ruleset);
        for (kind, body) in ruleset.nft.iter().filter_map(nft::object) {
            let table = nft::table_of(kind, body);
            if kind == "metainfo" || kept.contains(&table) || removed.tables.contains(&table) {
                continue;
            }
            nft_part(kind, body, &table, removed, &mut parts);
        }
        for name in ruleset.ipsets.iter().filter(|name| !removed.ipsets.contains(*name)) {
            parts.insert(format!("ipset {name}"), String::new());
        }
        Self(parts)
    }

    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for (key, text) in &self.0 {
            hasher.update((key.len() as u64).to_be_bytes());
            hasher.update(key.as_bytes());
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hex::encode(hasher.finalize())
    }
}

fn iptables_parts(which: Iptables, text: &str, removed: &Removed, parts: &mut BTreeMap<String, String>) {
    for table in iptables::parse(text) {
        for chain in table.chains {
            if removed.chains.contains(&(which, table.name.clone(), chain.name.clone())) {
                continue;
            }
            let gone = |position: usize| {
                removed.positions.contains(&(which, table.name.clone(), chain.name.clone(), position))
            };
            let rules: Vec<&str> = chain
                .rules
                .iter()
                .enumerate()
                .filter(|(position, _)| !gone(*position))
                .map(|(_, rule)| rule.as_str())
                .collect();
            // The programs make and drop empty built-in chains as they please; such a chain means the same as none.
            if rules.is_empty() && chain.policy.as_deref() == Some("ACCEPT") {
                continue;
            }
            let text = format!("{}\n{}", chain.policy.as_deref().unwrap_or("-"), rules.join("\n"));
            parts.insert(format!("{} {} chain {}", which.program(), table.name, chain.name), text);
        }
    }
}

fn nft_part(kind: &str, body: &Value, table: &nft::TableKey, removed: &Removed, parts: &mut BTreeMap<String, String>) {
    let word = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
    let place = format!("nft {} {}", table.0, table.1);
    let text = nft::normalised(kind, body).to_string();
    match kind {
        "rule" => {
            let handle = body.get("handle").and_then(Value::as_u64).unwrap_or_default();
            if !removed.rules.contains(&(table.clone(), handle)) {
                let chain = parts.entry(format!("{place} chain {}", word("chain"))).or_default();
                chain.push_str(&text);
                chain.push('\n');
            }
        }
        "chain" => {
            parts.entry(format!("{place} chain {}", word("name"))).or_default().insert_str(0, &format!("{text}\n"));
        }
        other => {
            parts.insert(format!("{place} {other} {}", word("name")), text);
        }
    }
}

/// Compares what should have stayed with what is there.
pub fn compare(before: &Foreign, after: &Foreign) -> Comparison {
    let mut differences = Vec::new();
    for (key, text) in &before.0 {
        match after.0.get(key) {
            None => differences.push(format!("gone: {key}")),
            Some(now) if now != text => differences.push(format!("changed: {key}")),
            Some(_) => {}
        }
    }
    differences.extend(after.0.keys().filter(|key| !before.0.contains_key(*key)).map(|key| format!("new: {key}")));
    differences.truncate(20);
    Comparison { objects: before.0.len(), before: before.hash(), after: after.hash(), differences }
}
