//! What to take out of the firewall: profile times what is there. The order is the one the kernel asks for: rules that lead to a chain of
//! ours first, then the chains are emptied, then they go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use slipway_errors::Code;
use slipway_proto::types::{Change, Obstacle};

use super::iptables::{self, Chain, Table};
use super::nft::{self, TableKey};
use super::scope::Scope;
use crate::profile::PerContainer;
use crate::{Iptables, Ruleset, pattern};

/// The removals, in the order in which they are to be done, and what stands in the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NetfilterPlan {
    /// Commands for nft: one transaction.
    pub nft: Vec<Value>,
    /// Text for each `*-restore --noflush`.
    pub restores: Vec<(Iptables, String)>,
    /// ipsets to destroy, after the rules that use them.
    pub ipsets: Vec<String>,
    /// The same for people.
    pub changes: Vec<Change>,
    /// Why it should not be done as things are.
    pub obstacles: Vec<Obstacle>,
    /// What goes, for the comparison afterwards.
    pub removed: Removed,
}

impl NetfilterPlan {
    /// Nothing of ours is there.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// The identity of everything that is removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// Tables of nftables.
    pub tables: BTreeSet<TableKey>,
    /// Rules of nftables, by table and handle.
    pub rules: BTreeSet<(TableKey, u64)>,
    /// Chains of iptables, by kind, table and name.
    pub chains: BTreeSet<(Iptables, String, String)>,
    /// Rules of iptables in chains that stay, by kind, table, chain and position.
    pub positions: BTreeSet<(Iptables, String, String, usize)>,
    /// ipsets.
    pub ipsets: BTreeSet<String>,
}

/// The plan for `ruleset` as it stands.
pub fn removals(scope: &Scope<'_>, ruleset: &Ruleset) -> NetfilterPlan {
    let mut plan = NetfilterPlan::default();
    for (which, text) in &ruleset.iptables {
        let mut restore = String::new();
        for table in iptables::parse(text) {
            restore.push_str(&table_removals(scope, *which, &table, &mut plan));
        }
        if !restore.is_empty() {
            plan.restores.push((*which, restore));
        }
    }
    nft_removals(scope, ruleset, &mut plan);
    for name in &ruleset.ipsets {
        if scope.profiles.iter().any(|profile| pattern::any(&profile.ipsets, name)) {
            plan.changes.push(change("set", format!("ipset {name}"), "named as Kubernetes names its sets"));
            plan.removed.ipsets.insert(name.clone());
            plan.ipsets.push(name.clone());
        }
    }
    plan
}

fn change(kind: &str, what: String, detail: &str) -> Change {
    Change { kind: kind.into(), what, verb: "remove".into(), detail: detail.into() }
}

/// The tables of nftables that an iptables program keeps: they are read and changed through it alone.
pub fn kept_by_iptables(ruleset: &Ruleset) -> BTreeSet<TableKey> {
    let mut kept = BTreeSet::new();
    for (which, text) in &ruleset.iptables {
        if let Some(family) = which.nft_family() {
            kept.extend(iptables::parse(text).into_iter().map(|table| (family.to_owned(), table.name)));
        }
    }
    kept
}

fn table_removals(scope: &Scope<'_>, which: Iptables, table: &Table, plan: &mut NetfilterPlan) -> String {
    let ours = our_chains(scope, table);
    let place = format!("{} {}", which.program(), table.name);
    let mut lines = vec![format!("*{}", table.name)];
    for chain in table.chains.iter().filter(|chain| !ours.contains(chain.name.as_str())) {
        for (position, rule) in chain.rules.iter().enumerate() {
            let Some(reason) = rule_is_ours(scope, table, chain, rule, &ours) else { continue };
            if chain.policy.is_none() && !is_shared(scope, &chain.name) {
                plan.obstacles.push(foreign_jump(&place, chain, rule));
                continue;
            }
            lines.push(format!("-D {} {rule}", chain.name));
            plan.changes.push(change("rule", format!("{place}: -A {} {rule}", chain.name), reason));
            plan.removed.positions.insert((which, table.name.clone(), chain.name.clone(), position));
        }
    }
    for name in &ours {
        plan.changes.push(change(
            "chain",
            format!("{place}: {name}"),
            "named as Kubernetes or its network plugin names its chains",
        ));
        plan.removed.chains.insert((which, table.name.clone(), (*name).to_owned()));
    }
    lines.extend(ours.iter().map(|name| format!("-F {name}")));
    lines.extend(ours.iter().map(|name| format!("-X {name}")));
    if lines.len() == 1 {
        return String::new();
    }
    lines.push("COMMIT".to_owned());
    iptables::lined(&lines)
}

fn foreign_jump(place: &str, chain: &Chain, rule: &str) -> Obstacle {
    Obstacle {
        code: Code::HOST_LEFTOVERS.as_str().into(),
        what: format!("{place}: -A {} {rule}", chain.name),
        explain: format!(
            "a rule of the chain {}, which is not Kubernetes', leads to a chain of Kubernetes': remove that rule yourself",
            chain.name
        ),
    }
}

fn is_shared(scope: &Scope<'_>, chain: &str) -> bool {
    per_containers(scope).any(|per| pattern::any(&per.shared, chain))
}

fn per_containers<'s>(scope: &'s Scope<'_>) -> impl Iterator<Item = &'s PerContainer> {
    scope.profiles.iter().filter_map(|profile| profile.per_container.as_ref())
}

/// The chains of a table that go, rules in them included.
fn our_chains<'t>(scope: &Scope<'_>, table: &'t Table) -> BTreeSet<&'t str> {
    let named = |chain: &str| {
        let rules = scope.profiles.iter().flat_map(|profile| &profile.chains);
        rules.filter(|rule| rule.tables.contains(&table.name)).any(|rule| pattern::any(&rule.names, chain))
    };
    let made = || table.chains.iter().filter(|chain| chain.policy.is_none()).map(|chain| chain.name.as_str());
    let mut ours: BTreeSet<&str> = made().filter(|name| named(name)).collect();
    if table.name != "nat" {
        return ours;
    }
    let single: Vec<&str> =
        made().filter(|name| per_containers(scope).any(|per| pattern::any(&per.chains, name))).collect();
    let single_ours: Vec<&str> =
        single.iter().copied().filter(|name| container_chain_is_ours(scope, table, name)).collect();
    ours.extend(&single_ours);
    // The chains that lead to single containers' go with the last of them, unless another runtime lives here and expects them.
    if scope.is_alone() && single_ours.len() == single.len() {
        ours.extend(made().filter(|name| is_shared(scope, name)));
    }
    ours
}

/// Whose a single container's chain is says a comment: on a rule that leads to it, or on one in it.
fn container_chain_is_ours(scope: &Scope<'_>, table: &Table, name: &str) -> bool {
    let leading = table
        .chains
        .iter()
        .flat_map(|chain| &chain.rules)
        .filter(|rule| iptables::target(rule).as_deref() == Some(name));
    let inside = table.chains.iter().filter(|chain| chain.name == name).flat_map(|chain| &chain.rules);
    let comments: Vec<String> = leading.chain(inside).filter_map(|rule| iptables::comment(rule)).collect();
    if comments.is_empty() {
        return scope.is_alone();
    }
    comments.iter().all(|comment| scope.comment_is_ours(comment))
}

fn rule_is_ours(
    scope: &Scope<'_>,
    table: &Table,
    chain: &Chain,
    rule: &str,
    ours: &BTreeSet<&str>,
) -> Option<&'static str> {
    if iptables::target(rule).is_some_and(|target| ours.contains(target.as_str())) {
        return Some("leads to a chain that goes");
    }
    let comment = iptables::comment(rule)?;
    let marked = scope.profiles.iter().flat_map(|profile| &profile.rules).any(|wanted| {
        wanted.table == table.name && wanted.chain == chain.name && pattern::matches(&wanted.comment, &comment)
    });
    marked.then_some("its comment is the network plugin's")
}

fn nft_removals(scope: &Scope<'_>, ruleset: &Ruleset, plan: &mut NetfilterPlan) {
    let kept = kept_by_iptables(ruleset);
    for (key, handle) in nft::tables(&ruleset.nft).into_iter().filter(|(key, _)| !kept.contains(key)) {
        let what = format!("nft table {} {} (handle {handle})", key.0, key.1);
        let described = |rule: &crate::TableRule| rule.family == key.0 && pattern::matches(&rule.name, &key.1);
        if scope.profiles.iter().flat_map(|profile| &profile.nft_tables).any(described) {
            plan.nft.push(nft::delete_table(&key, handle));
            plan.changes.push(change("table", what, "belongs to Kubernetes or its network plugin as a whole"));
            plan.removed.tables.insert(key);
        } else if per_containers(scope).flat_map(|per| &per.nft_tables).any(described) {
            shared_table(scope, ruleset, &key, handle, plan);
        }
    }
}

fn shared_table(scope: &Scope<'_>, ruleset: &Ruleset, key: &TableKey, handle: u64, plan: &mut NetfilterPlan) {
    let rules = nft::rules(&ruleset.nft, key);
    let foreign = |rule: &nft::Rule| {
        super::scope::named_network(&rule.comment).is_some_and(|network| !scope.networks.ours.contains(&network))
    };
    if scope.is_alone() && !rules.iter().any(foreign) {
        plan.nft.push(nft::delete_table(key, handle));
        plan.changes.push(change(
            "table",
            format!("nft table {} {} (handle {handle})", key.0, key.1),
            "only Kubernetes uses CNI on this host",
        ));
        plan.removed.tables.insert(key.clone());
        return;
    }
    for rule in rules.iter().filter(|rule| scope.comment_is_ours(&rule.comment)) {
        plan.nft.push(nft::delete_rule(rule));
        let what = format!("nft rule {} {} {} (handle {})", key.0, key.1, rule.chain, rule.handle);
        plan.changes.push(change("rule", what, &rule.comment));
        plan.removed.rules.insert((key.clone(), rule.handle));
    }
}

/// How many of each kind, for one line to people: `3 chain, 1 table`.
pub fn counted(changes: &[Change]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for change in changes {
        *counts.entry(change.kind.as_str()).or_default() += 1;
    }
    let words: Vec<String> = counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
#[path = "netfilter_tests.rs"]
mod tests;
