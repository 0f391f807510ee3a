//! Something that may be used and must not be shown: it has no way into a log, a journal or a message but by its name.

/// What both parts of a bootstrap token are made of.
pub const BOOTSTRAP_ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A secret, such as a bootstrap token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Keeps it; none where there is nothing to keep.
    pub fn new(secret: impl Into<Vec<u8>>) -> Option<Self> {
        Some(Self(secret.into())).filter(|secret| !secret.0.is_empty())
    }

    /// The secret itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, if it is some.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

/// Whether that is a bootstrap token: six small letters and digits, a dot, sixteen more
/// (<https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>).
pub fn is_bootstrap_token(text: &str) -> bool {
    let legal = |part: &str| part.bytes().all(|byte| BOOTSTRAP_ALPHABET.contains(&byte));
    text.split_once('.').is_some_and(|(id, secret)| id.len() == 6 && secret.len() == 16 && legal(id) && legal(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_not_shown() {
        let secret = Secret::new("abcdef.0123456789abcdef").unwrap();
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "<secret> Some(\n    <secret>,\n)");
        assert_eq!(secret.expose_text(), Some("abcdef.0123456789abcdef"));
        assert_eq!(Secret::new(""), None);
    }

    #[test]
    fn a_bootstrap_token_has_its_form() {
        assert!(is_bootstrap_token("abcdef.0123456789abcdef"));
        for other in ["abcdef.0123456789ABCDEF", "abcdef", "", "abcdef.0123456789abcdef.x"] {
            assert!(!is_bootstrap_token(other), "{other}");
        }
    }
}
