//! The JSON of `nft -j list ruleset` as data, as far as a cleanup must understand it: who owns a table, and what a rule's comment says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A table, by family and name.
pub type TableKey = (String, String);

/// A rule of nftables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The table that it is in.
    pub table: TableKey,
    /// The chain.
    pub chain: String,
    /// Its handle.
    pub handle: u64,
    /// Its comment; empty if it has none.
    pub comment: String,
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The one key and its object: `("rule", {...})`.
pub fn object(item: &Value) -> Option<(&str, &Value)> {
    item.as_object()?.iter().next().map(|(kind, body)| (kind.as_str(), body))
}

/// The table that an object of the list is, or is in.
pub fn table_of(kind: &str, body: &Value) -> TableKey {
    (text(body, "family"), text(body, if kind == "table" { "name" } else { "table" }))
}

/// Tables with their handles.
pub fn tables(list: &[Value]) -> Vec<(TableKey, u64)> {
    list.iter()
        .filter_map(object)
        .filter(|(kind, _)| *kind == "table")
        .map(|(kind, body)| (table_of(kind, body), body.get("handle").and_then(Value::as_u64).unwrap_or_default()))
        .collect()
}

/// The rules of one table, in order.
pub fn rules(list: &[Value], table: &TableKey) -> Vec<Rule> {
    list.iter()
        .filter_map(object)
        .filter(|(kind, body)| *kind == "rule" && table_of(kind, body) == *table)
        .map(|(_, body)| Rule {
            table: table.clone(),
            chain: text(body, "chain"),
            handle: body.get("handle").and_then(Value::as_u64).unwrap_or_default(),
            comment: text(body, "comment"),
        })
        .collect()
}

/// Deletes a table by its handle, so that one made anew under the name is not meant.
pub fn delete_table(table: &TableKey, handle: u64) -> Value {
    json!({"delete": {"table": {"family": table.0, "handle": handle}}})
}

/// Deletes a rule by its handle.
pub fn delete_rule(rule: &Rule) -> Value {
    json!({"delete": {"rule": {"family": rule.table.0, "table": rule.table.1, "chain": rule.chain, "handle": rule.handle}}})
}

/// Takes off what changes by itself: handles, counters, what is left of a quota, elements that come and go with the traffic.
pub fn normalised(kind: &str, body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(map) = body.as_object_mut() {
        map.remove("handle");
        match kind {
            "counter" => {
                map.remove("packets");
                map.remove("bytes");
            }
            "quota" => {
                map.remove("used");
            }
            "set" | "map" if is_dynamic(map) => {
                map.remove("elem");
            }
            _ => {}
        }
    }
    strip_counters(&mut body);
    body
}

fn is_dynamic(set: &serde_json::Map<String, Value>) -> bool {
    let flags: BTreeSet<&str> = match set.get("flags") {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => [one.as_str()].into(),
        _ => BTreeSet::new(),
    };
    set.contains_key("timeout") || flags.contains("dynamic") || flags.contains("timeout")
}

fn strip_counters(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(strip_counters),
        Value::Object(map) => {
            map.remove("expires");
            for (key, inner) in map.iter_mut() {
                if key == "counter" && inner.is_object() {
                    *inner = Value::Null;
                } else if key == "quota" && inner.is_object() {
                    if let Some(quota) = inner.as_object_mut() {
                        quota.remove("used");
                        quota.remove("used_unit");
                    }
                } else {
                    strip_counters(inner);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_and_handles_do_not_tell_two_rules_apart() {
        let rule = |handle: u64, packets: u64| {
            json!({"family": "inet", "table": "mine", "chain": "input", "handle": handle,
                   "expr": [{"counter": {"packets": packets, "bytes": 3}}, {"drop": null}]})
        };
        assert_eq!(normalised("rule", &rule(4, 9)), normalised("rule", &rule(7, 1000)));
        assert_ne!(normalised("rule", &rule(4, 9)), normalised("rule", &json!({"chain": "output"})));
    }

    #[test]
    fn elements_of_a_set_count_unless_traffic_makes_them() {
        let set = |flags: &[&str], elements: &[&str]| json!({"name": "s", "flags": flags, "elem": elements});
        assert_ne!(normalised("set", &set(&[], &["a"])), normalised("set", &set(&[], &["b"])));
        assert_eq!(normalised("set", &set(&["dynamic"], &["a"])), normalised("set", &set(&["dynamic"], &["b"])));
    }
}
