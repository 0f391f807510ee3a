//! Keys that leave the machine leave it encrypted, in the age format, so that a person can open them with common tools and without Slipway.

use std::io::Write;

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

    /// What was encrypted to the public half.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        age::decrypt(&self.0, sealed).map_err(|why| Error::Decrypt(why.to_string()))
    }

    /// The private half as text, sealed at once.
    pub fn seal_private(&self, passphrase: &Passphrase) -> Result<Vec<u8>, Error> {
        seal(passphrase, self.0.to_string().expose_secret().as_bytes())
    }
}

/// The public half of a [`BackupKey`]: what is encrypted to it, the machine that did so cannot read again.
#[derive(Clone)]
pub struct BackupRecipient(age::x25519::Recipient);

impl BackupRecipient {
    /// Reads the text form, `age1...`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text.trim().parse().map(Self).map_err(|why: &str| Error::Encrypt(why.to_owned()))
    }

    /// A writer that encrypts to `out` all that is written to it. Nothing can be read of it before [`Sealing::finish`].
    pub fn sealing<W: Write>(&self, out: W) -> Result<Sealing<W>, Error> {
        let recipients = std::iter::once(&self.0 as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(|why| Error::Encrypt(why.to_string()))?;
        encryptor.wrap_output(out).map(Sealing).map_err(|why| Error::Encrypt(why.to_string()))
    }
}

impl std::fmt::Display for BackupRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::fmt::Debug for BackupRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BackupRecipient({})", self.0)
    }
}

/// Encrypts what is written to it.
pub struct Sealing<W: Write>(age::stream::StreamWriter<W>);

impl<W: Write> Sealing<W> {
    /// Writes what makes it whole, and gives back what it wrote to.
    pub fn finish(self) -> std::io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
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

    #[test]
    fn what_is_sealed_piece_by_piece_opens_with_the_key_alone_and_only_when_it_is_whole() {
        let key = BackupKey::generate();
        let recipient = BackupRecipient::parse(&format!("{}\n", key.public())).unwrap();
        assert_eq!(recipient.to_string(), key.public());
        let mut sealing = recipient.sealing(Vec::new()).unwrap();
        let long = vec![1_u8; 100_000];
        for piece in [&long[..], &[], &[2; 7]] {
            sealing.write_all(piece).unwrap();
        }
        let sealed = sealing.finish().unwrap();
        assert_eq!(key.open(&sealed).unwrap(), [&long[..], &[2; 7]].concat());
        assert!(key.open(&sealed[..sealed.len() - 1]).is_err(), "a part was taken for the whole");
        assert!(BackupKey::generate().open(&sealed).is_err());
        assert!(BackupRecipient::parse("age1nobody").is_err());
    }
}
