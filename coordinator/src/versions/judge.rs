//! The judge: facts and table in, findings out, the same ones each time. Arithmetic on versions stands here as code; every rule that can be
//! written down as conditions is data.

mod conditions;
mod etcd;
mod skew;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use slipway_errors::Code;
use slipway_types::NodeName;

use self::conditions::{Matched, Words, matched};
use super::facts::Facts;
use super::numbers::{Dotted, Minor};
use super::rule::{Level, Rule};
use super::table::Table;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The upgrade is refused.
    Block,
    /// It may go wrong, or somebody will miss something.
    Warn,
    /// Worth knowing.
    Note,
}

/// Something that the judge found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// Which page explains it.
    #[serde(with = "code_text")]
    pub code: Code,
    /// The rule behind it, as it is called in the table.
    pub rule: String,
    /// The node that it is about, if it is about one.
    pub node: Option<NodeName>,
    /// What is so.
    pub text: String,
    /// What to do about it; empty where there is nothing to do.
    pub way_out: String,
    /// Where the rule comes from.
    pub source: Vec<String>,
}

/// What the judge says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// The image tag that every older member of etcd has to have before the first master is upgraded: a phase of the plan.
    pub raise_etcd: Option<String>,
}

/// Holds the facts against the table.
pub fn judge(table: &Table, facts: &Facts) -> Judgement {
    let mut findings = skew::findings(table, facts);
    findings.extend(etcd::findings(table, facts));
    let (mut raise, mut unknown) = (None, BTreeMap::<String, Unknown>::new());
    for (name, rule) in &table.rules {
        let Some(severity) = in_force(rule, facts) else { continue };
        for matched in matched(rule, table, facts) {
            match matched {
                Matched::Yes(words) => {
                    let tag = rule.raises_etcd_to.as_ref().filter(|_| !facts.etcd.external);
                    raise = higher(raise, tag);
                    let severity = if tag.is_some() { Severity::Note } else { severity };
                    findings.push(finding(severity, name, rule, &words));
                }
                Matched::Unknown(about) if severity == Severity::Block => {
                    let entry =
                        unknown.entry(about.name).or_insert_with(|| Unknown { node: about.node, ..Unknown::default() });
                    entry.rules.push(name.clone());
                    entry.source.extend(rule.source.iter().cloned());
                }
                Matched::Unknown(_) => {}
            }
        }
    }
    findings.extend(unknown.into_iter().map(|(name, unknown)| unknown.finding(&name)));
    findings.sort_by(|a, b| order(a).cmp(&order(b)));
    Judgement { findings, raise_etcd: raise }
}

fn order(finding: &Finding) -> (Severity, &str, &str, Option<&NodeName>, &str) {
    (finding.severity, finding.code.as_str(), &finding.rule, finding.node.as_ref(), &finding.text)
}

/// The rule's severity, if it holds for this target at all.
fn in_force(rule: &Rule, facts: &Facts) -> Option<Severity> {
    let severity = match rule.severity {
        Level::Block => Severity::Block,
        Level::Warn => Severity::Warn,
        Level::Note => Severity::Note,
        Level::Off => return None,
    };
    let target = Minor::from(facts.target);
    let inside = rule.from.is_none_or(|from| from <= target) && rule.until.is_none_or(|until| target <= until);
    let crossed = !rule.crossing
        || rule.from.is_some_and(|from| facts.oldest_api_server().is_none_or(|oldest| Minor::from(oldest) < from));
    (inside && crossed).then_some(severity)
}

fn higher(now: Option<String>, tag: Option<&String>) -> Option<String> {
    let number = |tag: &String| tag.parse::<Dotted>().ok();
    match (now, tag) {
        (Some(now), Some(tag)) if number(tag) > number(&now) => Some(tag.clone()),
        (Some(now), _) => Some(now),
        (None, tag) => tag.cloned(),
    }
}

fn finding(severity: Severity, name: &str, rule: &Rule, words: &Words) -> Finding {
    Finding {
        severity,
        code: Code::parse(&rule.code).unwrap_or(Code::INTERNAL),
        rule: format!("rules.{name}"),
        node: words.node.clone(),
        text: words.fill(&rule.text),
        way_out: words.fill(&rule.way_out),
        source: rule.source.clone(),
    }
}

/// What a finding is called that says only that somebody could not be judged by rules that refuse.
pub const UNANSWERED: &str = "unanswered";

/// Rules that could refuse the upgrade and could not be held against somebody who did not answer.
#[derive(Default)]
struct Unknown {
    node: Option<NodeName>,
    rules: Vec<String>,
    source: Vec<String>,
}

impl Unknown {
    fn finding(mut self, name: &str) -> Finding {
        self.source.sort();
        self.source.dedup();
        Finding {
            severity: Severity::Warn,
            code: Code::UPGRADE_CLUSTER,
            rule: UNANSWERED.to_owned(),
            node: self.node,
            text: format!("{name} did not say enough to be judged by {}", self.rules.join(", ")),
            way_out: "see why it does not answer, and plan again".to_owned(),
            source: self.source,
        }
    }
}

mod code_text {
    use serde::{Deserialize, Deserializer, Serializer};
    use slipway_errors::Code;

    pub(super) fn serialize<S: Serializer>(code: &Code, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(code.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Code, D::Error> {
        let text = String::deserialize(from)?;
        Code::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("there is no code {text:?}")))
    }
}
