//! Secrets and serial numbers. They come from the cryptographic provider's generator, never from an id generator: a run that can be repeated
//! must not repeat its secrets.

use slipway_types::secret::BOOTSTRAP_ALPHABET;

/// The system gave no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct NoRandomness;

/// `N` bytes that nobody can guess.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// So many small letters and digits that nobody can guess.
pub fn letters(count: usize) -> Result<String, NoRandomness> {
    // 252 is seven times the alphabet: a byte above it would favour the first letters.
    let mut letters = String::with_capacity(count);
    while letters.len() < count {
        let fair = bytes::<32>()?.into_iter().filter(|byte| *byte < 252);
        letters.extend(
            fair.map(|byte| char::from(BOOTSTRAP_ALPHABET[usize::from(byte % 36)])).take(count - letters.len()),
        );
    }
    Ok(letters)
}

/// `N` bytes that nobody can guess, in hex.
pub fn hex<const N: usize>() -> Result<String, NoRandomness> {
    Ok(::hex::encode(bytes::<N>()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_secrets_differ() {
        assert_ne!(super::bytes::<16>().unwrap(), super::bytes::<16>().unwrap());
        let (one, other) = (super::letters(16).unwrap(), super::letters(16).unwrap());
        assert!(one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{one}");
        assert_ne!(one, other);
    }
}
