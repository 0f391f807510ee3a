//! Flow parameters are a described `Struct` on the wire and JSON everywhere else.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use serde_json::Value as Json;

/// JSON from a `Struct`.
pub fn to_json(params: prost_types::Struct) -> Json {
    Json::Object(params.fields.into_iter().map(|(key, value)| (key, value_to_json(value))).collect())
}

fn value_to_json(value: prost_types::Value) -> Json {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Json::Null,
        Some(Kind::BoolValue(yes)) => Json::Bool(yes),
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() < 9e15 => Json::from(number as i64),
        Some(Kind::NumberValue(number)) => Json::from(number),
        Some(Kind::StringValue(text)) => Json::String(text),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(value_to_json).collect(),
        Some(Kind::StructValue(inner)) => to_json(inner),
    }
}

/// A `Struct` from a JSON object; anything else gives an empty one.
pub fn from_json(json: Json) -> prost_types::Struct {
    let fields = match json {
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, value_from_json(value))).collect(),
        _ => BTreeMap::new(),
    };
    prost_types::Struct { fields }
}

fn value_from_json(json: Json) -> prost_types::Value {
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(yes) => Kind::BoolValue(yes),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(list) => {
            Kind::ListValue(prost_types::ListValue { values: list.into_iter().map(value_from_json).collect() })
        }
        object @ Json::Object(_) => Kind::StructValue(from_json(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_cross_the_wire_unchanged() {
        let params = serde_json::json!({"nodes": ["w2"], "force": true, "grace": 30, "share": 0.5, "none": null, "in": {"a": 1}});
        assert_eq!(to_json(from_json(params.clone())), params);
    }
}
