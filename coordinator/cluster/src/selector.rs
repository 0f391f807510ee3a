//! Label selectors, both as text (`app=shop,tier in (a,b)`) and as objects (a budget's `selector`): whether a set of labels matches is decided
//! here, for the drain and for the fake API server alike.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

type Labels = BTreeMap<String, String>;

/// Conditions on labels, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Never,
}

/// Why a selector cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no label selector such as app=shop,tier in (a,b)")]
pub struct InvalidSelector(pub String);

impl Selector {
    /// Matches everything.
    pub const fn everything() -> Self {
        Self(Vec::new())
    }

    /// Matches nothing, as an absent selector of a budget does.
    pub fn nothing() -> Self {
        Self(vec![Requirement::Never])
    }

    /// True where all conditions hold.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|requirement| requirement.holds(labels))
    }

    /// Reads the syntax of kubectl's `-l`.
    pub fn parse(text: &str) -> Result<Self, InvalidSelector> {
        let parts = split_outside_brackets(text);
        let parts = parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty());
        parts
            .map(|part| parse_one(part).ok_or_else(|| InvalidSelector(text.to_owned())))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn read(selector: Option<LabelSelector>) -> Self {
        let Some(selector) = selector else { return Self::nothing() };
        let exact =
            selector.match_labels.unwrap_or_default().into_iter().map(|(key, value)| Requirement::In(key, vec![value]));
        let expressions = selector.match_expressions.unwrap_or_default().into_iter().map(|one| {
            let values = one.values.unwrap_or_default();
            match one.operator.as_str() {
                "In" => Requirement::In(one.key, values),
                "NotIn" => Requirement::NotIn(one.key, values),
                "Exists" => Requirement::Exists(one.key),
                "DoesNotExist" => Requirement::Absent(one.key),
                _ => Requirement::Never,
            }
        });
        Self(exact.chain(expressions).collect())
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let one_of = |key: &String, values: &[String]| labels.get(key).is_some_and(|value| values.contains(value));
        match self {
            Self::In(key, values) => one_of(key, values),
            Self::NotIn(key, values) => !one_of(key, values),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::Never => false,
        }
    }
}

fn split_outside_brackets(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut inside = false;
    for c in text.chars() {
        inside = (inside || c == '(') && c != ')';
        match (c, parts.last_mut()) {
            (',', _) if !inside => parts.push(String::new()),
            (_, Some(last)) => last.push(c),
            _ => {}
        }
    }
    parts
}

fn parse_one(part: &str) -> Option<Requirement> {
    let set = |rest: &str| -> Option<Vec<String>> {
        let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some(key) = part.strip_prefix('!') {
        return key_of(key).map(Requirement::Absent);
    }
    if let Some((key, rest)) = part.split_once(" notin ") {
        return Some(Requirement::NotIn(key_of(key)?, set(rest)?));
    }
    if let Some((key, rest)) = part.split_once(" in ") {
        return Some(Requirement::In(key_of(key)?, set(rest)?));
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(key_of(key)?, vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(key_of(key)?, vec![value.trim().to_owned()]));
    }
    key_of(part).map(Requirement::Exists)
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!key.is_empty() && key.chars().all(legal)).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn text_is_read_as_kubectl_reads_it() {
        let shop = labels(&[("app", "shop"), ("tier", "web")]);
        for (text, expected) in [
            ("", true),
            ("app=shop", true),
            ("app==shop,tier=web", true),
            ("app!=shop", false),
            ("other!=shop", true),
            ("tier in (web, db)", true),
            ("tier notin (web,db),app", false),
            ("app", true),
            ("!app", false),
            ("!other", true),
        ] {
            assert_eq!(Selector::parse(text).unwrap().matches(&shop), expected, "{text:?}");
        }
        for bad in ["a b", "=x", "a in b", "!"] {
            assert!(Selector::parse(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn an_empty_selector_matches_all_and_an_absent_one_nothing() {
        let read = |value| Selector::read(serde_json::from_value(value).unwrap());
        assert!(read(json!({})).matches(&labels(&[])));
        assert!(!read(json!(null)).matches(&labels(&[("app", "shop")])));
    }

    #[test]
    fn expressions_of_an_object_all_count() {
        let read = |value| Selector::read(serde_json::from_value(value).unwrap());
        let shop = labels(&[("app", "shop")]);
        let expression = |operator: &str, key: &str| json!({"matchExpressions": [{"key": key, "operator": operator, "values": ["shop"]}]});
        assert!(read(expression("In", "app")).matches(&shop));
        assert!(!read(expression("NotIn", "app")).matches(&shop));
        assert!(read(expression("NotIn", "none")).matches(&shop));
        assert!(read(expression("Exists", "app")).matches(&shop));
        assert!(!read(expression("DoesNotExist", "app")).matches(&shop));
        assert!(!read(expression("Wrong", "app")).matches(&shop));
    }
}
