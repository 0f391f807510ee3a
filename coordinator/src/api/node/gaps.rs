//! What a page cannot tell, said once for each reason: an empty place would be read as "none". Pure.

use std::collections::BTreeMap;

use slipway_errors::Coded;
use slipway_types::listed;

use super::seen::{Seen, SeenMaster};

/// Names of hosts in one line.
const NAMED: usize = 5;

/// One line for each reason, with all that it hides.
pub(super) fn unknown(seen: &Seen) -> Vec<String> {
    let mut hidden: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut hides = |what: &'static str, why: Option<&Coded>| {
        if let Some(why) = why {
            hidden.entry(format!("{}: {}", why.code, why.message)).or_default().push(what);
        }
    };
    hides("the hosts", seen.store.as_ref().err());
    hides("the Node", seen.node.as_ref().err());
    hides("its pods", seen.pods.as_ref().err());
    hides("denials of its kubelet", seen.denial.as_ref().err());
    if let Some(master) = &seen.master {
        hides("the other Nodes and the virtual address", master.nodes.as_ref().err());
        hides("the ConfigMaps with the API server's address", master.texts.as_ref().err());
        hides("etcd", master.etcd.as_ref().err());
        hides("snapshots of etcd", master.snapshot.as_ref().err());
    }
    let mut lines: Vec<String> = hidden.iter().map(|(why, what)| format!("{} ({why})", what.join(", "))).collect();
    lines.extend(of_agent(seen));
    lines.extend(seen.master.as_ref().and_then(unheard));
    lines
}

fn of_agent(seen: &Seen) -> Option<String> {
    seen.host.as_ref()?;
    let why = if seen.view.says.is_empty() { String::new() } else { format!(": {}", seen.view.says) };
    match (seen.facts(), seen.silent) {
        (None, _) => Some(format!("the facts of the host (its agent was not heard by this coordinator yet{why})")),
        (Some(_), Some(silent)) => Some(format!(
            "how the host is now (its agent is silent, and what is told of it is {} s old{why})",
            silent.as_secs()
        )),
        (Some(_), None) => None,
    }
}

fn unheard(master: &SeenMaster) -> Option<String> {
    let names: Vec<&str> =
        master.hosts.iter().filter(|(_, facts)| facts.is_none()).map(|(name, _)| name.as_str()).collect();
    let named = listed(&names, NAMED);
    (!names.is_empty()).then(|| format!("how {named} reach the API (not heard by this coordinator yet)"))
}
