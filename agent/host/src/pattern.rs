//! Patterns of profiles: `*` for any run of characters, `?` for one; neither crosses a `/`. Small and total, so that nothing in a profile
//! can be slow or match more than it shows.

/// Whether `text` as a whole is what `pattern` describes.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(&c) if c == text[t] || (c == '?' && text[t] != '/') => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) if text[from] != '/' => {
                    retry = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                _ => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Whether any of `patterns` describes `text`.
pub fn any(patterns: &[String], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_describes_the_whole_text() {
        for (pattern, text, expected) in [
            ("flannel.*", "flannel.1", true),
            ("flannel.*", "flannel", false),
            ("cali*", "cali0123456789a", true),
            ("KUBE-SVC-*", "KUBE-SVC-", true),
            ("KUBE-FORWARD", "KUBE-FORWARD-MINE", false),
            ("*-bridge.*", "10-bridge.conflist", true),
            ("/etc/cni/net.d/*", "/etc/cni/net.d/a/b", false),
            ("/etc/cni/net.d/*.conf", "/etc/cni/net.d/a.conf", true),
            ("CNI-????", "CNI-12a4", true),
            ("CNI-????", "CNI-12a", false),
            ("a?b", "a/b", false),
            ("*a*b", "xxaxxab", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} of {text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_without_wildcards_describes_itself_alone(text in "[a-zA-Z0-9./-]{0,30}", other in "[a-zA-Z0-9./-]{0,30}") {
            prop_assert!(matches(&text, &text));
            prop_assert_eq!(matches(&text, &other), text == other);
        }
    }
}
