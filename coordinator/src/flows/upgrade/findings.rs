//! What speaks against an upgrade, or is to be known before it: what the version table says, and what only the plan can know.

use slipway_errors::{Code, Coded};

use crate::versions::{Finding, Severity};

/// A finding of the plan's own.
pub(super) fn found(severity: Severity, text: impl Into<String>, way_out: impl Into<String>) -> Finding {
    Finding {
        severity,
        code: Code::UPGRADE_BLOCKED,
        rule: "plan".to_owned(),
        node: None,
        text: text.into(),
        way_out: way_out.into(),
        source: Vec::new(),
    }
}

/// What stands in the way of one node.
pub(super) fn block(error: &Coded) -> Finding {
    let way_out = error.way_out.clone().unwrap_or_else(|| format!("slipway explain {}", error.code));
    Finding { code: error.code, ..found(Severity::Block, error.message.clone(), way_out) }
}

/// A line for the screen.
pub(super) fn line(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Block => "block: ",
        Severity::Warn => "",
        Severity::Note => "note: ",
    };
    let way_out = if finding.way_out.is_empty() { String::new() } else { format!("; {}", finding.way_out) };
    let source = match finding.source.first() {
        Some(source) => format!(" ({}; {source})", finding.code),
        None => format!(" ({})", finding.code),
    };
    format!("{level}{}{way_out}{source}", finding.text)
}

/// The refusal that all blocks make together; none where nothing blocks.
pub(super) fn refusal(findings: &[Finding]) -> Option<Coded> {
    let blocks: Vec<&Finding> = findings.iter().filter(|one| one.severity == Severity::Block).collect();
    let texts: Vec<&str> = blocks.iter().map(|one| one.text.as_str()).collect();
    let mut ways: Vec<&str> = blocks.iter().map(|one| one.way_out.as_str()).filter(|way| !way.is_empty()).collect();
    ways.dedup();
    let text = match texts[..] {
        [] => return None,
        [text] => text.to_owned(),
        _ => format!("{} things block it: {}", texts.len(), texts.join(" | ")),
    };
    Some(Coded::new(Code::UPGRADE_BLOCKED, text).do_this(ways.join(" | ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_every_reason_and_every_way_out() {
        let findings = [
            found(Severity::Note, "n", ""),
            found(Severity::Block, "m2 is sick", "mend it"),
            found(Severity::Warn, "w", "x"),
            found(Severity::Block, "w1 is not Ready", "look there"),
        ];
        let error = refusal(&findings).unwrap();
        assert_eq!(error.code, Code::UPGRADE_BLOCKED);
        for part in ["m2 is sick", "w1 is not Ready", "mend it | look there"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert_eq!(refusal(&findings[..1]), None);
        assert_eq!(line(&findings[1]), "block: m2 is sick; mend it (SLIP-UPGRADE-001)");
        assert_eq!(line(&findings[0]), "note: n (SLIP-UPGRADE-001)");
    }
}
