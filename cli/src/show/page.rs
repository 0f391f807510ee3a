//! Text in the making, line by line: no line keeps spaces at its end, so that golden files and diffs stay clean.

/// A page that grows downwards.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Adds a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.0.push_str(text.as_ref().trim_end());
        self.0.push('\n');
    }

    /// Adds lines, each behind `indent`.
    pub fn lines<T: AsRef<str>>(&mut self, indent: &str, lines: impl IntoIterator<Item = T>) {
        for line in lines {
            self.line(format!("{indent}{}", line.as_ref()));
        }
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_their_text_ends() {
        let mut page = Page::default();
        page.line("a  ");
        page.lines("  ", ["b", ""]);
        assert_eq!(page.into_text(), "a\n  b\n\n");
    }
}
