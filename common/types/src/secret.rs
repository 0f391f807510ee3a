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

/// Whether that is a key of kubeadm's certificates: 32 bytes in hex.
pub fn is_certificate_key(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// What a host joins with: the bootstrap token, and for a master the key of the cluster's certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinSecret {
    /// The bootstrap token.
    pub token: Secret,
    /// The key; none for a worker.
    pub certificate_key: Option<Secret>,
}

impl JoinSecret {
    /// As it goes beside the action: a line each.
    pub fn packed(&self) -> Vec<u8> {
        let mut packed = self.token.expose().to_vec();
        if let Some(key) = &self.certificate_key {
            packed.push(b'\n');
            packed.extend_from_slice(key.expose());
        }
        packed
    }

    /// The same, taken apart again; none where it has another form.
    pub fn unpacked(secret: &Secret) -> Option<Self> {
        let mut lines = secret.expose_text()?.split('\n');
        let token = lines.next().filter(|token| is_bootstrap_token(token)).and_then(Secret::new)?;
        let certificate_key = match lines.next() {
            None => None,
            Some(key) => Some(Secret::new(key).filter(|_| is_certificate_key(key))?),
        };
        lines.next().is_none().then_some(Self { token, certificate_key })
    }
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

    #[test]
    fn token_and_key_are_taken_apart_as_they_were_put_together() {
        let token = Secret::new("abcdef.0123456789abcdef").unwrap();
        let key = Secret::new("0f".repeat(32)).unwrap();
        for certificate_key in [None, Some(key)] {
            let join = JoinSecret { token: token.clone(), certificate_key };
            assert_eq!(JoinSecret::unpacked(&Secret::new(join.packed()).unwrap()), Some(join));
        }
        for other in ["abcdef", "abcdef.0123456789abcdef\n", "abcdef.0123456789abcdef\nxy", "\n"] {
            assert_eq!(JoinSecret::unpacked(&Secret::new(other).unwrap()), None, "{other:?}");
        }
    }
}
