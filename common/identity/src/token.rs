//! One-time tokens by which a host gets its first certificate. The secret is shown once and only its hash is kept; what a token is good for is
//! decided here by plain data, and the store makes "once" true by compare-and-swap on the record that [`redeem`] returns.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use slipway_errors::{Code, Coded};
use slipway_types::{Clock, NodeName, Timestamp};
use subtle::ConstantTimeEq;

use crate::random::{self, NoRandomness};

const PREFIX: &str = "slip1";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 16;
/// No token lives longer.
pub const LONGEST_LIFE: Duration = Duration::from_mins(10);

/// A token as the host shows it: `slip1.<id>.<secret>`.
#[derive(Clone)]
pub struct Token {
    id: String,
    secret: [u8; SECRET_BYTES],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PREFIX}.{}.(secret)", self.id)
    }
}

/// What the store keeps of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The token's public part, its key in the store.
    pub id: String,
    /// SHA-256 of the secret, in hex.
    pub hash: String,
    /// The host name that alone may use it.
    pub host: String,
    /// Where that host's agent will listen; empty: as the host says.
    pub address: String,
    /// Its end, milliseconds of Unix time.
    pub expires_ms: i64,
    /// Who used it; a used token is good for nothing.
    pub used_by: Option<String>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No token, or one that nobody made, or a wrong secret: which of them is not told.
    #[error("the enrolment token is unknown")]
    Unknown,
    /// It was redeemed before.
    #[error("the enrolment token {id} was used already, by {by}")]
    Used {
        /// The token's public part.
        id: String,
        /// Who used it.
        by: String,
    },
    /// Its time is over.
    #[error("the enrolment token {id} ended {seconds} s ago")]
    Expired {
        /// The token's public part.
        id: String,
        /// Since when.
        seconds: i64,
    },
    /// Another host shows it.
    #[error("the enrolment token {id} is for host {bound}, not for {shown}")]
    OtherHost {
        /// The token's public part.
        id: String,
        /// Whom it was made for.
        bound: String,
        /// Who showed it.
        shown: String,
    },
    /// It cannot be made as asked.
    #[error("a token cannot be made: {0}")]
    Asked(String),
    /// No randomness for a secret.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Unknown => Code::ENROL_UNKNOWN_TOKEN,
            Error::Used { .. } => Code::ENROL_TOKEN_USED,
            Error::Expired { .. } => Code::ENROL_TOKEN_EXPIRED,
            Error::OtherHost { .. } => Code::ENROL_OTHER_HOST,
            Error::Asked(_) => Code::WIRE_BAD_REQUEST,
            Error::Random(_) => Code::INTERNAL,
        };
        Self::new(code, error.to_string())
    }
}

impl Token {
    /// Makes a token for one host, and the record to keep. A `ttl` of zero is the longest.
    pub fn mint(host: &str, address: &str, ttl: Duration, clock: &dyn Clock) -> Result<(Self, TokenRecord), Error> {
        let host = NodeName::new(host).map_err(|why| Error::Asked(why.to_string()))?;
        if ttl > LONGEST_LIFE {
            return Err(Error::Asked(format!("it would live longer than {} s", LONGEST_LIFE.as_secs())));
        }
        let ttl = if ttl.is_zero() { LONGEST_LIFE } else { ttl };
        let token = Self { id: hex::encode(random::bytes::<ID_BYTES>()?), secret: random::bytes()? };
        let record = TokenRecord {
            id: token.id.clone(),
            hash: hex::encode(Sha256::digest(token.secret)),
            host: host.to_string(),
            address: address.to_owned(),
            expires_ms: clock.now().as_millisecond() + i64::try_from(ttl.as_millis()).unwrap_or_default(),
            used_by: None,
        };
        Ok((token, record))
    }

    /// Reads a token's text.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.trim().split('.').collect();
        let [PREFIX, id, secret] = parts[..] else { return Err(Error::Unknown) };
        let lower = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if id.len() != 2 * ID_BYTES || !lower(id) || !lower(secret) {
            return Err(Error::Unknown);
        }
        let secret = hex::decode(secret).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(Error::Unknown)?;
        Ok(Self { id: id.to_owned(), secret })
    }

    /// The public part, by which its record is found.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, secret included: to be shown once.
    pub fn reveal(&self) -> String {
        format!("{PREFIX}.{}.{}", self.id, hex::encode(self.secret))
    }
}

/// Whether `token`, shown by the host named `host`, is good as of `now`. On success the record as it must be kept from then on, marked as used
/// by `host`; it counts only once the store has swapped it for the one given here.
pub fn redeem(record: &TokenRecord, token: &Token, host: &str, now: Timestamp) -> Result<TokenRecord, Error> {
    let kept = hex::decode(&record.hash).map_err(|_| Error::Unknown)?;
    let shown = Sha256::digest(token.secret);
    if record.id != token.id || !bool::from(shown.as_slice().ct_eq(&kept)) {
        return Err(Error::Unknown);
    }
    let id = record.id.clone();
    if let Some(by) = &record.used_by {
        return Err(Error::Used { id, by: by.clone() });
    }
    let over = now.as_millisecond().saturating_sub(record.expires_ms);
    if over >= 0 {
        return Err(Error::Expired { id, seconds: over / 1000 });
    }
    if record.host != host {
        let shown = host.chars().take(253).collect();
        return Err(Error::OtherHost { id, bound: record.host.clone(), shown });
    }
    Ok(TokenRecord { used_by: Some(host.to_owned()), ..record.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::ManualClock;

    fn minted() -> (Token, TokenRecord, ManualClock) {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let (token, record) = Token::mint("w2", "10.0.0.2:7443", Duration::from_mins(1), &clock).unwrap();
        (token, record, clock)
    }

    #[test]
    fn a_token_is_good_once_for_its_host() {
        let (token, record, clock) = minted();
        let shown = Token::parse(&token.reveal()).unwrap();
        let used = redeem(&record, &shown, "w2", clock.now()).unwrap();
        assert_eq!(used.used_by.as_deref(), Some("w2"));
        assert!(matches!(redeem(&used, &shown, "w2", clock.now()), Err(Error::Used { .. })));
    }

    #[test]
    fn another_host_cannot_use_it() {
        let (token, record, clock) = minted();
        let refused = redeem(&record, &token, "w3", clock.now()).unwrap_err();
        assert_eq!(Coded::from(refused).code, Code::ENROL_OTHER_HOST);
    }

    #[test]
    fn it_ends_at_its_end() {
        let (token, record, clock) = minted();
        clock.advance(Duration::from_millis(59_999));
        assert!(redeem(&record, &token, "w2", clock.now()).is_ok());
        clock.advance(Duration::from_millis(1));
        assert_eq!(
            Coded::from(redeem(&record, &token, "w2", clock.now()).unwrap_err()).code,
            Code::ENROL_TOKEN_EXPIRED
        );
    }

    #[test]
    fn a_wrong_secret_learns_nothing_about_the_token() {
        let (token, mut record, clock) = minted();
        record.used_by = Some("w2".into());
        let mut guess = token;
        guess.secret[15] ^= 1;
        assert_eq!(redeem(&record, &guess, "w9", clock.now()), Err(Error::Unknown));
    }

    #[test]
    fn the_record_and_the_logs_do_not_hold_the_secret() {
        let (token, record, _) = minted();
        let secret = hex::encode(token.secret);
        assert!(!serde_json::to_string(&record).unwrap().contains(&secret));
        assert!(!format!("{token:?}").contains(&secret));
    }

    #[test]
    fn a_token_that_is_none_is_unknown() {
        let (token, ..) = minted();
        let text = token.reveal();
        let upper = text.to_uppercase();
        for bad in [
            "",
            "slip1",
            "slip1..",
            "slip2.0011223344556677.00",
            &text[1..],
            &text[..text.len() - 2],
            &format!("{text}.x"),
            &upper,
        ] {
            assert_eq!(Token::parse(bad).unwrap_err(), Error::Unknown, "{bad:?}");
        }
        assert_eq!(Token::parse(&format!(" {text}\n")).unwrap().id(), token.id());
    }

    #[test]
    fn a_token_lives_at_most_ten_minutes_and_has_a_proper_host() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        assert!(Token::mint("w2", "", Duration::from_secs(601), &clock).is_err());
        assert!(Token::mint("../w2", "", Duration::ZERO, &clock).is_err());
        assert_eq!(Token::mint("w2", "", Duration::ZERO, &clock).unwrap().1.expires_ms, 600_000);
    }
}
