//! Arguments of the kubelet on one host, in the file that kubeadm's drop-in leaves to the administrator. What somebody wrote there stays; only
//! the arguments that are ours are set. Pure: text in, text out.

/// The variable that the kubelet's unit reads.
pub(super) const VARIABLE: &str = "KUBELET_EXTRA_ARGS";
/// Arguments that may be set for one host.
pub(super) const ALLOWED: [&str; 6] = ["node-ip", "cluster-dns", "cluster-domain", "resolv-conf", "max-pods", "v"];

/// The file with these arguments; or why it cannot be changed without guessing.
pub(super) fn edited(text: &str, arguments: &[(String, String)]) -> Result<String, String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines.iter().rposition(|line| assigned(line).is_some());
    let present = at.and_then(|at| assigned(&lines[at])).unwrap_or_default();
    let plain = unquoted(present).ok_or_else(|| format!("{VARIABLE} is quoted in a way that is not understood"))?;
    let ours = |word: &&str| arguments.iter().any(|(name, _)| is_argument(word, name));
    let split: Vec<&str> = plain.split_whitespace().collect();
    if split.iter().any(|word| arguments.iter().any(|(name, _)| *word == format!("--{name}"))) {
        return Err(format!("{VARIABLE} has an argument apart from its value: write it as --name=value"));
    }
    let mut words: Vec<String> = split.iter().filter(|word| !ours(word)).map(|word| (*word).to_owned()).collect();
    words.extend(arguments.iter().map(|(name, value)| format!("--{name}={value}")));
    if split.iter().map(|word| (*word).to_owned()).collect::<std::collections::BTreeSet<_>>()
        == words.iter().cloned().collect()
    {
        return Ok(text.to_owned());
    }
    let line = format!("{VARIABLE}=\"{}\"", words.join(" "));
    match at {
        Some(at) => lines[at] = line,
        None => lines.push(line),
    }
    Ok(lines.join("\n") + "\n")
}

/// Whether the file gives the variable a value, be it an empty one.
pub(super) fn assigns(text: &str) -> bool {
    text.lines().any(|line| assigned(line).is_some())
}

/// Whether a drop-in of somebody's own gives the variable a value.
pub(super) fn drop_in_assigns(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("Environment=") && line.contains(&format!("{VARIABLE}=")))
}

fn assigned(line: &str) -> Option<&str> {
    line.trim().strip_prefix(VARIABLE)?.trim_start().strip_prefix('=').map(str::trim)
}

fn unquoted(value: &str) -> Option<&str> {
    let inner = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.strip_prefix(quote)?.strip_suffix(quote)?,
        _ => value,
    };
    (!inner.contains(['"', '\'', '\\'])).then_some(inner)
}

fn is_argument(word: &str, name: &str) -> bool {
    word.strip_prefix("--").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[(&str, &str)]) -> Vec<(String, String)> {
        arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_somebody_wrote_stays_and_ours_is_set() {
        let text = "# mine\nKUBELET_EXTRA_ARGS='--v=2 --node-ip=1.2.3.4'\nOTHER=x\n";
        let done = edited(text, &of(&[("node-ip", "10.0.0.5")])).unwrap();
        assert_eq!(done, "# mine\nKUBELET_EXTRA_ARGS=\"--v=2 --node-ip=10.0.0.5\"\nOTHER=x\n");
        assert_eq!(edited(&done, &of(&[("node-ip", "10.0.0.5")])).unwrap(), done);
        assert_eq!(edited("", &of(&[("v", "4")])).unwrap(), "KUBELET_EXTRA_ARGS=\"--v=4\"\n");
        assert_eq!(edited("KUBELET_EXTRA_ARGS=\n", &of(&[("v", "4")])).unwrap(), "KUBELET_EXTRA_ARGS=\"--v=4\"\n");
    }

    #[test]
    fn what_is_not_understood_is_not_changed() {
        for text in ["KUBELET_EXTRA_ARGS=\"a\" \"b\"\n", "KUBELET_EXTRA_ARGS=--x \\\n", "KUBELET_EXTRA_ARGS=--v 2\n"] {
            assert!(edited(text, &of(&[("v", "4")])).is_err(), "{text}");
        }
    }

    #[test]
    fn a_drop_in_that_assigns_is_told_from_one_that_uses() {
        assert!(drop_in_assigns("[Service]\nEnvironment=\"KUBELET_EXTRA_ARGS=--v=2\"\n"));
        assert!(!drop_in_assigns(
            "ExecStart=/usr/bin/kubelet $KUBELET_EXTRA_ARGS\n# Environment=KUBELET_EXTRA_ARGS=\n"
        ));
        assert!(assigns("KUBELET_EXTRA_ARGS=\n") && !assigns("# KUBELET_EXTRA_ARGS=\n"));
    }
}
