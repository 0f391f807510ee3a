//! Keys that leave the machine leave it encrypted, in the age format, so that a person can open them with common tools and without Slipway.

use age::secrecy::{ExposeSecret, SecretString};

/// Cost of guessing a passphrase, as a power of two: about a second and 256 MiB for each guess. Fixed, because the library's own choice
/// depends on how busy the machine happens to be.
const SCRYPT_COST: u8 = 18;

/// A person's passphrase. It does not show in debug output and is wiped when dropped.
#[derive(Debug, Clone)]
pub struct Passphrase(SecretString);

/// The shortest passphrase that is taken.
pub const SHORTEST_PASSPHRASE: usize = 12;

/// What went wrong with sealing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too easy to guess.
    #[error("the passphrase is shorter than {SHORTEST_PASSPHRASE} characters")]
    Short,
    /// The library refused.
    #[error("encrypting a key for export: {0}")]
    Encrypt(String),
    /// Another passphrase, or a damaged file.
    #[error("decrypting an exported key: {0}")]
    Decrypt(String),
}

impl Passphrase {
    /// Takes a passphrase; a line end after it is no part of it, so that it can come from a file.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim_end_matches(['\r', '\n']);
        if text.chars().count() < SHORTEST_PASSPHRASE {
            return Err(Error::Short);
        }
        Ok(Self(SecretString::from(text.to_owned())))
    }
}

/// `plain`, readable with the passphrase alone (`age --decrypt`).
pub fn seal(passphrase: &Passphrase, plain: &[u8]) -> Result<Vec<u8>, Error> {
    let mut recipient = age::scrypt::Recipient::new(passphrase.0.clone());
    recipient.set_work_factor(SCRYPT_COST);
    age::encrypt(&recipient, plain).map_err(|why| Error::Encrypt(why.to_string()))
}

/// What [`seal`] closed.
pub fn open(passphrase: &Passphrase, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut identity = age::scrypt::Identity::new(passphrase.0.clone());
    identity.set_max_work_factor(SCRYPT_COST);
    age::decrypt(&identity, sealed).map_err(|why| Error::Decrypt(why.to_string()))
}

/// The key pair that backups are encrypted to: whoever holds the public half can write one, only the exported half can read it.
pub struct BackupKey(age::x25519::Identity);

impl BackupKey {
    /// A new pair.
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The public half, as text (`age1...`).
    pub fn public(&self) -> String {
        self.0.to_public().to_string()
    }

    /// The private half as text, sealed at once.
    pub fn seal_private(&self, passphrase: &Passphrase) -> Result<Vec<u8>, Error> {
        seal(passphrase, self.0.to_string().expose_secret().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_key_opens_with_its_passphrase_alone() {
        let passphrase = Passphrase::new("correct horse battery\n").unwrap();
        let sealed = seal(&passphrase, b"the key").unwrap();
        assert!(!sealed.windows(7).any(|window| window == b"the key"));
        assert_eq!(open(&Passphrase::new("correct horse battery").unwrap(), &sealed).unwrap(), b"the key");
        assert!(matches!(open(&Passphrase::new("another horse battery").unwrap(), &sealed), Err(Error::Decrypt(_))));
    }

    #[test]
    fn a_short_passphrase_is_refused_and_a_long_one_is_not_shown() {
        assert_eq!(Passphrase::new("short\n").unwrap_err(), Error::Short);
        assert!(!format!("{:?}", Passphrase::new("correct horse battery").unwrap()).contains("horse"));
    }
}
