//! Bootstrap tokens on the screen: which there are, until when, whose.

use jiff::tz::TimeZone;
use slipway_proto::coordinator::BootstrapToken;

use super::page::Page;
use super::table::table;
use crate::units::moment;

/// `bootstrap-token list`.
pub fn list(tokens: &[BootstrapToken], width: usize, zone: &TimeZone) -> String {
    if tokens.is_empty() {
        return "no host can join by a token; slipway bootstrap-token create makes one\n".to_owned();
    }
    let mut page = Page::default();
    let rows = tokens.iter().map(|token| row(token, zone)).collect();
    page.lines("", table(&["ID", "ENDS", "MADE BY", "DESCRIPTION"], rows, width).lines());
    if tokens.iter().any(|token| token.expires_ms == 0) {
        page.line("a token that never ends lets hosts in until it is deleted: slipway bootstrap-token delete ID");
    }
    page.into_text()
}

fn row(token: &BootstrapToken, zone: &TimeZone) -> Vec<String> {
    let ends = match moment(token.expires_ms, zone) {
        None => "never".to_owned(),
        Some(at) if token.over => format!("{at} (over)"),
        Some(at) => at,
    };
    let by = match (token.ours, token.run.is_empty()) {
        (true, false) => format!("run {}", super::short(&token.run)),
        (true, true) => "slipway".to_owned(),
        (false, _) => "others".to_owned(),
    };
    vec![token.id.clone(), ends, by, token.description.clone()]
}
