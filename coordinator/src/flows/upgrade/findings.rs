//! What speaks against an upgrade, or is to be known before it: what the version table says, and what only the plan can know.

use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

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

/// Stands for the node in what is said of several alike.
const NODE: &str = "\0";

/// What is found, a line each; what is so of several nodes is said once, with their names.
pub(super) fn lines(findings: &[Finding], nodes: &[NodeName]) -> Vec<String> {
    let mut groups: Vec<(Finding, Vec<&NodeName>)> = Vec::new();
    for finding in findings {
        let of_plan = || nodes.iter().find(|node| finding.text.starts_with(&format!("{node}: ")));
        let node = finding.node.as_ref().or_else(of_plan);
        let form = node.map_or_else(|| finding.clone(), |node| about(finding, node.as_str(), NODE));
        match groups.iter_mut().find(|(known, _)| *known == form) {
            Some((_, names)) => names.extend(node),
            None => groups.push((form, node.into_iter().collect())),
        }
    }
    let said = |(form, names): (Finding, Vec<&NodeName>)| match names.split_first() {
        None => line(&form),
        Some((first, [])) => line(&about(&form, NODE, first.as_str())),
        Some((first, others)) => {
            let others: Vec<&str> = others.iter().map(|node| node.as_str()).collect();
            format!("{}; the same of {}", line(&about(&form, NODE, first.as_str())), others.join(", "))
        }
    };
    groups.into_iter().map(said).collect()
}

/// The same, said of `to` where it was said of `from`.
fn about(finding: &Finding, from: &str, to: &str) -> Finding {
    let of_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || NODE.contains(c);
    let swapped = |text: &str| {
        let pieces = text.split_inclusive(|c: char| !of_word(c));
        pieces
            .map(|piece| match piece.strip_prefix(from) {
                Some(rest) if !rest.contains(of_word) => format!("{to}{rest}"),
                _ => piece.to_owned(),
            })
            .collect::<String>()
    };
    Finding { node: None, text: swapped(&finding.text), way_out: swapped(&finding.way_out), ..finding.clone() }
}

/// A line for the screen.
fn line(finding: &Finding) -> String {
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

    #[test]
    fn what_is_so_of_several_nodes_is_said_once_with_their_names() {
        let of = |node: &str, text: &str| Finding {
            node: Some(node.parse().unwrap()),
            ..found(Severity::Note, format!("{node} {text}"), format!("look at {node}"))
        };
        let nodes: Vec<NodeName> = ["m1", "m2", "m12"].map(|name| name.parse().unwrap()).to_vec();
        let findings = [
            of("m1", "has cgroup v1"),
            of("m12", "has cgroup v1"),
            of("m2", "is old"),
            found(Severity::Warn, "m1: pods go", ""),
            found(Severity::Warn, "m2: pods go", ""),
            found(Severity::Warn, "the cluster is small", ""),
        ];
        assert_eq!(
            lines(&findings, &nodes),
            [
                "note: m1 has cgroup v1; look at m1 (SLIP-UPGRADE-001); the same of m12",
                "note: m2 is old; look at m2 (SLIP-UPGRADE-001)",
                "m1: pods go (SLIP-UPGRADE-001); the same of m2",
                "the cluster is small (SLIP-UPGRADE-001)",
            ]
        );
    }
}
