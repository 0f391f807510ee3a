//! Breaking text at spaces, so that a long command stays readable and can still be copied line by line.

/// `text` in lines of at most `width` columns; a word that is longer stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && columns(&line) + 1 + columns(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// A command in lines of at most `width` columns, with a backslash where it goes on.
pub fn command(text: &str, width: usize) -> Vec<String> {
    let mut lines = wrap(text, width.saturating_sub(4).max(8));
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter_mut().enumerate() {
        if at > 0 {
            line.insert_str(0, "  ");
        }
        if at < last {
            line.push_str(" \\");
        }
    }
    lines
}

/// How many columns `text` takes: one for each character, which holds for the field's own words.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// `text` filled up with spaces to `width`.
pub fn pad(text: &str, width: usize) -> String {
    format!("{text:<width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_never_cut() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert!(wrap("", 4).is_empty());
    }

    #[test]
    fn a_wrapped_command_can_be_pasted() {
        let lines = command("kubectl drain w2 --ignore-daemonsets --delete-emptydir-data", 30);
        assert_eq!(lines, ["kubectl drain w2 \\", "  --ignore-daemonsets \\", "  --delete-emptydir-data"]);
        assert!(lines.iter().all(|line| columns(line) <= 30));
    }
}
