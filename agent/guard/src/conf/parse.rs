//! keepalived's own file, as far as it takes to know whether ours says the same: words, blocks, comments. What goes beyond (`include`, variables,
//! conditions) is refused rather than guessed at.

/// A line, with the block that it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its words; the first is the keyword.
    pub(super) words: Vec<String>,
    /// What stands between its braces.
    pub(super) block: Vec<Entry>,
}

impl Entry {
    pub(super) fn keyword(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The first word behind the keyword.
    pub(super) fn value(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }

    /// The line of that keyword in its block.
    pub(super) fn find(&self, keyword: &str) -> Option<&Self> {
        self.block.iter().find(|entry| entry.keyword() == keyword)
    }
}

/// All lines, or the number of the one that cannot be read.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, String> {
    let mut open: Vec<Entry> = vec![Entry { words: Vec::new(), block: Vec::new() }];
    for (number, line) in text.lines().enumerate() {
        let refuse = |why: &str| Err(format!("line {}: {why}", number + 1));
        let Some(words) = words(line) else { return refuse("a quotation does not end") };
        let beyond = |word: &String| word == "include" || word.starts_with(['$', '~']) || word.starts_with("@^");
        if words.first().is_some_and(|word| beyond(word) || word.starts_with('@')) || words.iter().any(beyond) {
            return refuse("includes, variables and conditions are not understood here");
        }
        let mut entry = Entry { words: Vec::new(), block: Vec::new() };
        for word in words {
            match word.as_str() {
                "{" => {
                    if entry.words.is_empty() {
                        // On a line of its own the brace belongs to the line before.
                        let Some(before) = open.last_mut().and_then(|parent| parent.block.pop()) else {
                            return refuse("a brace opens nothing");
                        };
                        entry = before;
                    }
                    open.push(std::mem::replace(&mut entry, Entry { words: Vec::new(), block: Vec::new() }));
                }
                "}" => {
                    close(&mut open, &mut entry);
                    let Some(done) = (open.len() > 1).then(|| open.pop()).flatten() else {
                        return refuse("a brace closes nothing");
                    };
                    if let Some(parent) = open.last_mut() {
                        parent.block.push(done);
                    }
                }
                _ => entry.words.push(word),
            }
        }
        close(&mut open, &mut entry);
    }
    match (open.pop(), open.is_empty()) {
        (Some(root), true) => Ok(root.block),
        _ => Err("a brace is not closed".to_owned()),
    }
}

fn close(open: &mut [Entry], entry: &mut Entry) {
    if !entry.words.is_empty()
        && let Some(parent) = open.last_mut()
    {
        parent.block.push(std::mem::replace(entry, Entry { words: Vec::new(), block: Vec::new() }));
    }
}

/// The words of a line without its comment; none, where a quotation does not end.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted, mut some) = (Vec::new(), String::new(), false, false);
    let mut end = |word: &mut String, some: &mut bool| {
        if *some {
            words.push(std::mem::take(word));
        }
        *some = false;
    };
    for c in line.chars() {
        match c {
            '"' => (quoted, some) = (!quoted, true),
            _ if quoted => word.push(c),
            '#' | '!' => break,
            '{' | '}' => {
                end(&mut word, &mut some);
                (word, some) = (c.to_string(), true);
                end(&mut word, &mut some);
            }
            _ if c.is_whitespace() => end(&mut word, &mut some),
            _ => {
                word.push(c);
                some = true;
            }
        }
    }
    end(&mut word, &mut some);
    (!quoted).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_comments_and_quotations_are_told_apart() {
        let text = "! a comment\nglobal_defs\n{\n  script_user root # so\n}\nvrrp_script x { script \"/bin/a b\" }\n";
        let all = parse(text).unwrap();
        assert_eq!(all.iter().map(Entry::keyword).collect::<Vec<_>>(), ["global_defs", "vrrp_script"]);
        assert_eq!(all[0].find("script_user").unwrap().value(), "root");
        assert_eq!(all[1].find("script").unwrap().value(), "/bin/a b");
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_line() {
        for (text, says) in [
            ("a {\n", "not closed"),
            ("}\n", "line 1"),
            ("a\nb \"c\n", "line 2"),
            ("include x.conf\n", "line 1"),
            ("$VIP=1\n", "line 1"),
            ("@m1 priority 1\n", "line 1"),
            ("{\n", "line 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
