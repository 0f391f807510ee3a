//! What the API server says of the time of one drain.

use anyhow::{Context as _, Result};

use crate::audit::AuditEntry;

const DAY: f64 = 86_400.0;

/// The requests of that time, oldest first.
pub(super) struct Window {
    entries: Vec<AuditEntry>,
    own: usize,
}

impl Window {
    /// Of these requests, with who drains.
    pub(super) fn of(entries: Vec<AuditEntry>, is_own: impl Fn(&AuditEntry) -> bool) -> Self {
        let own = entries.iter().filter(|entry| is_own(entry)).count();
        Self { entries, own }
    }

    /// How many requests whoever drained has made, all that it did beside included.
    pub(super) const fn own(&self) -> usize {
        self.own
    }

    /// All of them.
    pub(super) fn entries(&self) -> &[AuditEntry] {
        &self.entries
    }
}

/// Seconds from each opening of a budget to the eviction that it let pass. It opens where the disruption controller first writes its status after it
/// was changed: nobody can know before.
pub(super) fn reactions(entries: &[AuditEntry], budget: &str) -> Result<Vec<f64>> {
    let (mut changed, mut opened, mut seen) = (false, None, Vec::new());
    for entry in entries.iter().filter(|entry| (200..300).contains(&entry.code)) {
        let of_budget = entry.resource == "poddisruptionbudgets" && entry.name == budget;
        match (entry.verb.as_str(), entry.subresource.as_str()) {
            ("patch", "") if of_budget => changed = true,
            ("update" | "patch", "status") if of_budget && changed && opened.is_none() => opened = Some(&entry.time),
            ("create", "eviction") => {
                if let Some(opened) = opened.take() {
                    seen.push(between(opened, &entry.time)?);
                    changed = false;
                }
            }
            _ => {}
        }
    }
    Ok(seen)
}

/// Seconds from one time of the record to a later one, at most a day.
fn between(from: &str, to: &str) -> Result<f64> {
    let taken = of_day(to)? - of_day(from)?;
    Ok(if taken < 0.0 { taken + DAY } else { taken })
}

fn of_day(time: &str) -> Result<f64> {
    let clock = time.split_once('T').and_then(|(_, clock)| clock.strip_suffix('Z'));
    let parts: Vec<f64> = clock
        .with_context(|| format!("{time:?} is no time of a record"))?
        .split(':')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{time:?} is no time of a record"))?;
    Ok(parts.into_iter().fold(0.0, |sum, part| sum * 60.0 + part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(time: &str, verb: &str, what: (&str, &str, &str), code: u16) -> AuditEntry {
        let (resource, subresource, name) = what;
        AuditEntry {
            time: format!("2026-01-02T{time}Z"),
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: "bench".to_owned(),
            name: name.to_owned(),
            user: String::new(),
            agent: String::new(),
            sources: Vec::new(),
            code,
        }
    }

    #[test]
    fn a_reaction_is_from_the_first_status_after_a_change_to_the_eviction_that_passes() {
        let (budget, status) = (("poddisruptionbudgets", "", "b"), ("poddisruptionbudgets", "status", "b"));
        let evicted = ("pods", "eviction", "b-1");
        let entries = [
            entry("23:59:50.000000", "update", status, 200),
            entry("23:59:51.000000", "create", evicted, 429),
            entry("23:59:52.000000", "patch", budget, 200),
            entry("23:59:59.900000", "update", status, 200),
            entry("23:59:59.950000", "create", evicted, 429),
            entry("00:00:00.150000", "create", evicted, 201),
            entry("00:00:00.160000", "update", status, 200),
        ];
        let seen = reactions(&entries, "b").unwrap();
        assert!(seen.len() == 1 && (seen[0] - 0.25).abs() < 1e-6, "{seen:?}");
    }

    #[test]
    fn what_is_no_time_is_an_error() {
        assert!(of_day("2026-01-02").is_err() && of_day("2026-01-02Tx:01:02Z").is_err());
    }
}
