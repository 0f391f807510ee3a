//! Breaking text at spaces, so that a long command stays readable and can still be copied line by line.

/// `text` in lines of at most `width` columns; a word that is longer stands alone.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    fill(text.split_whitespace(), width)
}

fn fill<'a>(words: impl Iterator<Item = &'a str>, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in words {
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

/// A command in lines of at most `width` columns, with a backslash where it goes on. A comment behind it that does not fit stands below.
pub fn command(text: &str, width: usize) -> Vec<String> {
    if columns(text) <= width {
        return vec![text.to_owned()];
    }
    let (line, comment) = text.split_once(" # ").unwrap_or((text, ""));
    let width = width.saturating_sub(4).max(8);
    let mut lines = fill(arguments(line, width).iter().map(String::as_str), width);
    let last = lines.len().saturating_sub(1);
    for (at, line) in lines.iter_mut().enumerate() {
        if at > 0 {
            line.insert_str(0, "  ");
        }
        if at < last {
            line.push_str(" \\");
        }
    }
    lines.extend(wrap(comment, width).into_iter().map(|line| format!("  # {line}")));
    lines
}

/// The words of a command, a flag together with its value where both fit on a line.
fn arguments(text: &str, width: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match found.last_mut() {
            Some(flag)
                if is_bare_flag(flag) && !word.starts_with('-') && columns(flag) + 1 + columns(word) <= width =>
            {
                flag.push(' ');
                flag.push_str(word);
            }
            _ => found.push(word.to_owned()),
        }
    }
    found
}

fn is_bare_flag(text: &str) -> bool {
    text.starts_with('-') && !text.contains([' ', '='])
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

    #[test]
    fn a_comment_that_does_not_fit_stands_below_its_command() {
        let text = "findmnt -R /var/lib/kubelet   # must show nothing";
        assert_eq!(command(text, 60), [text]);
        assert_eq!(command(text, 32), ["findmnt -R /var/lib/kubelet", "  # must show nothing"]);
    }

    #[test]
    fn a_flag_keeps_its_value() {
        let lines = command("kubeadm reset -f --skip-phases remove-etcd-member --cri-socket unix:///run/c.sock", 60);
        assert_eq!(lines[1], "  --cri-socket unix:///run/c.sock");
    }
}
