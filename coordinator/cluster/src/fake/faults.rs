//! Misbehaviour on demand. A rule says which requests it covers, how often, and what happens to them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The connection is closed without an answer, and nothing happens.
    Refuse,
    /// 503.
    Unavailable,
    /// 429 of an overloaded server, with `Retry-After` in seconds.
    TooMany(u32),
    /// 403.
    Forbid,
    /// 500 with that message.
    Fail(String),
    /// It takes effect, but the answer is lost.
    LoseAnswer,
    /// It is answered late.
    Delay(Duration),
}

/// Which requests, how often, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Such as `create`; `None` covers all.
    pub verb: Option<String>,
    /// Such as `pods/eviction`; `None` covers all.
    pub resource: Option<String>,
    /// How many requests; `None` for ever.
    pub times: Option<u32>,
    /// What happens.
    pub kind: FaultKind,
}

impl FaultRule {
    /// Covers every request, for ever.
    pub fn always(kind: FaultKind) -> Self {
        Self { verb: None, resource: None, times: None, kind }
    }

    /// Covers the next `times` requests of a verb and a resource.
    pub fn next(times: u32, verb: &str, resource: &str, kind: FaultKind) -> Self {
        Self { verb: Some(verb.to_owned()), resource: Some(resource.to_owned()), times: Some(times), kind }
    }

    fn covers(&self, verb: &str, resource: &str) -> bool {
        let fits = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
        self.times != Some(0) && fits(&self.verb, verb) && fits(&self.resource, resource)
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<FaultRule>,
    down: bool,
}

impl Faults {
    pub(super) fn push(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn set_down(&mut self, down: bool) {
        self.down = down;
    }

    pub(super) fn is_down(&self) -> bool {
        self.down
    }

    /// What happens to this request, if anything; the rule's count goes down.
    pub(super) fn strike(&mut self, verb: &str, resource: &str) -> Option<FaultKind> {
        if self.down {
            return Some(FaultKind::Refuse);
        }
        let rule = self.rules.iter_mut().find(|rule| rule.covers(verb, resource))?;
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some(rule.kind.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_what_it_says_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.push(FaultRule::next(2, "create", "pods/eviction", FaultKind::Unavailable));
        assert_eq!(faults.strike("get", "pods"), None);
        assert_eq!(faults.strike("create", "pods/eviction"), Some(FaultKind::Unavailable));
        assert_eq!(faults.strike("create", "pods/eviction"), Some(FaultKind::Unavailable));
        assert_eq!(faults.strike("create", "pods/eviction"), None);
        faults.set_down(true);
        assert_eq!(faults.strike("get", "pods"), Some(FaultKind::Refuse));
        faults.clear();
        assert_eq!(faults.strike("get", "pods"), None);
    }
}
