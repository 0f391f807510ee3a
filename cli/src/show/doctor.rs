//! Findings on the screen: the level first, so that the eye finds what is bad.

use super::wrap::wrap;
use crate::shapes::Finding;

/// `doctor`.
pub fn text(findings: &[Finding], width: usize) -> String {
    let about = findings.iter().map(|finding| finding.about.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let indent = 6 + about + 2;
        let mut says = wrap(&finding.says, width.saturating_sub(indent).max(20)).into_iter();
        text.push_str(&format!("{:<4}  {:<about$}  {}\n", finding.level, finding.about, says.next().unwrap_or_default()));
        text.extend(says.map(|line| format!("{}{line}\n", " ".repeat(indent))));
        if let Some(way) = &finding.way_out {
            text.push_str(&format!("{}way out: {way}\n", " ".repeat(indent)));
        }
    }
    let bad = findings.iter().filter(|finding| finding.level == "bad").count();
    let warn = findings.iter().filter(|finding| finding.level == "warn").count();
    text.push_str(&format!("{} checked, {bad} bad, {warn} to look at\n", findings.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_finding_brings_its_way_out() {
        let finding = |level: &str, way: Option<&str>| Finding {
            about: "store".into(),
            level: level.into(),
            says: "90% full".into(),
            way_out: way.map(str::to_owned),
        };
        let text = text(&[finding("ok", None), finding("bad", Some("make room"))], 80);
        assert_eq!(text, "ok    store  90% full\nbad   store  90% full\n             way out: make room\n2 checked, 1 bad, 0 to look at\n");
    }
}
