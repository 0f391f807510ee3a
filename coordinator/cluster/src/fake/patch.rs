//! Patches: merge (RFC 7386) and the part of JSON patch (RFC 6902) that clients of a cluster use. A strategic merge is taken as a plain one,
//! which is the same for every field that Slipway patches.

use serde_json::{Map, Value};

use super::failure::Failure;

/// Merges `patch` into `target`: null removes, objects merge, all else replaces.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}

/// Applies `test`, `add`, `replace` and `remove`; all or nothing.
pub(super) fn json(target: &Value, operations: &Value) -> Result<Value, Failure> {
    let operations = operations.as_array().ok_or_else(|| Failure::bad_request("a JSON patch is a list"))?;
    let mut result = target.clone();
    operations.iter().try_for_each(|operation| apply(&mut result, operation))?;
    Ok(result)
}

fn apply(target: &mut Value, operation: &Value) -> Result<(), Failure> {
    let path = operation["path"].as_str().unwrap_or_default();
    let refused = |why: &str| Failure::invalid(format!("the JSON patch {why} at {path:?}"));
    let value = &operation["value"];
    match operation["op"].as_str() {
        Some("test") if target.pointer(path) == Some(value) => Ok(()),
        Some("test") => Err(refused("does not fit")),
        Some("replace") => {
            target.pointer_mut(path).map(|found| *found = value.clone()).ok_or_else(|| refused("finds nothing"))
        }
        Some("add") => put(target, path, value).ok_or_else(|| refused("finds no place")),
        Some("remove") => remove(target, path).ok_or_else(|| refused("finds nothing")),
        _ => Err(refused("has an unknown operation")),
    }
}

fn split(path: &str) -> Option<(&str, String)> {
    let (parent, key) = path.rsplit_once('/')?;
    Some((parent, key.replace("~1", "/").replace("~0", "~")))
}

fn put(target: &mut Value, path: &str, value: &Value) -> Option<()> {
    let (parent, key) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => {
            fields.insert(key, value.clone());
        }
        Value::Array(items) if key == "-" => items.push(value.clone()),
        Value::Array(items) => {
            let index = key.parse().ok().filter(|index| *index <= items.len())?;
            items.insert(index, value.clone());
        }
        _ => return None,
    }
    Some(())
}

fn remove(target: &mut Value, path: &str) -> Option<()> {
    let (parent, key) = split(path)?;
    match target.pointer_mut(parent)? {
        Value::Object(fields) => fields.remove(&key).map(|_| ()),
        Value::Array(items) => {
            let index: usize = key.parse().ok().filter(|index| *index < items.len())?;
            items.remove(index);
            Some(())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn a_merge_replaces_merges_and_removes() {
        let mut target = value!({"a": {"b": 1, "c": 2}, "d": [1], "e": 5});
        merge(&mut target, &value!({"a": {"b": 9, "c": null}, "d": [2, 3], "e": null, "f": {"g": null, "h": 1}}));
        assert_eq!(target, value!({"a": {"b": 9}, "d": [2, 3], "f": {"h": 1}}));
    }

    #[test]
    fn a_json_patch_applies_all_or_nothing() {
        let target = value!({"a": [1, 2], "m": {"x/y": 1}});
        let good = value!([
            {"op": "test", "path": "/a/0", "value": 1},
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "add", "path": "/a/0", "value": 0},
            {"op": "remove", "path": "/m/x~1y"},
            {"op": "replace", "path": "/a/1", "value": 9},
        ]);
        assert_eq!(json(&target, &good).unwrap(), value!({"a": [0, 9, 2, 3], "m": {}}));
        for bad in [
            value!([{"op": "test", "path": "/a/0", "value": 7}]),
            value!([{"op": "remove", "path": "/none"}]),
            value!([{"op": "add", "path": "/a/9", "value": 7}]),
            value!([{"op": "move", "path": "/a", "from": "/m"}]),
            value!({"op": "test"}),
        ] {
            assert!(json(&target, &bad).is_err(), "{bad} was taken");
        }
    }
}
