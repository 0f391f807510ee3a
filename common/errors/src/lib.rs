//! What can go wrong, and what to do about it. Errors are typed inside each module; where they meet a person or the wire they become a
//! [`Coded`]: a code that can be looked up (`slipway explain CODE`), a sentence about this case, and the way out.

mod codes;

/// An error code with its page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code {
    code: &'static str,
    title: &'static str,
    page: &'static str,
}

impl Code {
    /// As it is written, such as `SLIP-AUTH-001`.
    pub const fn as_str(self) -> &'static str {
        self.code
    }

    /// One line: what the code stands for.
    pub const fn title(self) -> &'static str {
        self.title
    }

    /// The whole page, in Markdown.
    pub const fn page(self) -> &'static str {
        self.page
    }

    /// The code that is written so, upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.code.eq_ignore_ascii_case(text.trim()))
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.code)
    }
}

/// An error as people and peers see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}{}", .way_out.as_ref().map(|way| format!("; {way}")).unwrap_or_default())]
pub struct Coded {
    /// Which error it is.
    pub code: Code,
    /// What happened in this case: a sentence without the code.
    pub message: String,
    /// What to do now, where it can be said in a sentence.
    pub way_out: Option<String>,
}

impl Coded {
    /// An error without a way out of its own: the code's page has the general one.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), way_out: None }
    }

    /// Adds what to do now.
    #[must_use]
    pub fn do_this(mut self, way_out: impl Into<String>) -> Self {
        self.way_out = Some(way_out.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_has_a_full_page() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice in the list");
            assert!(code.page().starts_with(&format!("# {code}: {}", code.title())), "{code}'s page has another title");
            for part in ["## What it means", "## Likely cause", "## What to do", "## What not to do"] {
                assert!(code.page().contains(part), "{code}'s page lacks {part:?}");
            }
        }
    }

    #[test]
    fn every_page_belongs_to_a_code() {
        for page in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pages")).unwrap() {
            let name = page.unwrap().file_name().into_string().unwrap();
            assert!(Code::parse(name.trim_end_matches(".md")).is_some(), "{name} is a page of no code");
        }
    }

    #[test]
    fn the_way_out_follows_the_sentence() {
        let error = Coded::new(Code::NODE_UNKNOWN, "no node w9").do_this("slipway node list shows them");
        assert_eq!(error.to_string(), "SLIP-NODE-001: no node w9; slipway node list shows them");
    }
}
