//! Findings on the screen: the level first, so that the eye finds what is bad.

use super::page::Page;
use super::wrap::wrap;
use crate::shapes::Finding;

/// `doctor`.
pub fn text(findings: &[Finding], width: usize) -> String {
    let about = findings.iter().map(|finding| finding.about.chars().count()).max().unwrap_or(0);
    let mut page = Page::default();
    for finding in findings {
        let indent = " ".repeat(6 + about + 2);
        let mut says = wrap(&finding.says, width.saturating_sub(indent.len()).max(20)).into_iter();
        page.line(format!("{:<4}  {:<about$}  {}", finding.level, finding.about, says.next().unwrap_or_default()));
        page.lines(&indent, says);
        page.lines(&indent, finding.way_out.iter().map(|way| format!("way out: {way}")));
    }
    let of = |level: &str| findings.iter().filter(|finding| finding.level == level).count();
    page.line(format!("{} checked, {} bad, {} to look at", findings.len(), of("bad"), of("warn")));
    page.into_text()
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
        assert_eq!(
            text,
            "ok    store  90% full\nbad   store  90% full\n             way out: make room\n2 checked, 1 bad, 0 to look at\n"
        );
    }
}
