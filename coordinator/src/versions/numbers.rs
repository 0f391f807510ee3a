//! Version numbers of things that are not Kubernetes itself: etcd, containerd, images. Compared as numbers, and read from what their owners
//! print: `v2.1.4`, `1.7.24~ds1`, `3.5.26-0`.

use serde::{Deserialize, Serialize};
use slipway_types::KubernetesVersion;

/// Why a text was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNumber {
    /// No minor.
    #[error("{0:?} is no minor release such as 1.34")]
    Minor(String),
    /// No version.
    #[error("{0:?} is no version such as 3.5.26")]
    Dotted(String),
}

/// A minor release of Kubernetes, such as `1.34`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Minor {
    /// 1, so far.
    pub major: u16,
    /// The number after the dot.
    pub minor: u16,
}

impl Minor {
    /// How many minors this one is after `other`; negative for one before it. Another major is farther than any minor.
    pub fn ahead_of(self, other: Self) -> i32 {
        let majors = i32::from(self.major) - i32::from(other.major);
        majors * 1000 + i32::from(self.minor) - i32::from(other.minor)
    }

    /// The minor that is `steps` before this one.
    #[must_use]
    pub fn before(self, steps: u16) -> Self {
        Self { minor: self.minor.saturating_sub(steps), ..self }
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { minor: self.minor.saturating_add(1), ..self }
    }
}

impl From<KubernetesVersion> for Minor {
    fn from(version: KubernetesVersion) -> Self {
        Self { major: version.major, minor: version.minor }
    }
}

impl std::str::FromStr for Minor {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('.').and_then(|(major, minor)| Some((whole(major)?, whole(minor)?)));
        let (major, minor) = numbers.ok_or_else(|| InvalidNumber::Minor(text.to_owned()))?;
        Ok(Self { major, minor })
    }
}

impl TryFrom<String> for Minor {
    type Error = InvalidNumber;

    fn try_from(text: String) -> Result<Self, InvalidNumber> {
        text.parse()
    }
}

impl From<Minor> for String {
    fn from(minor: Minor) -> Self {
        minor.to_string()
    }
}

impl std::fmt::Display for Minor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A version of three numbers. What follows them (`-0`, `~ds1`) is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dotted {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
    /// The third.
    pub patch: u16,
}

impl std::str::FromStr for Dotted {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || InvalidNumber::Dotted(text.to_owned());
        let bare = text.strip_prefix('v').unwrap_or(text);
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
        let numbers: Vec<u16> = bare[..end].split('.').map(whole).collect::<Option<_>>().ok_or_else(refused)?;
        match numbers[..] {
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for Dotted {
    type Error = InvalidNumber;

    fn try_from(text: String) -> Result<Self, InvalidNumber> {
        text.parse()
    }
}

impl From<Dotted> for String {
    fn from(version: Dotted) -> Self {
        version.to_string()
    }
}

impl std::fmt::Display for Dotted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn whole(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_owners_append_to_a_version_is_left_out() {
        for (text, version) in [
            ("3.5.26", "3.5.26"),
            ("v2.1.4", "2.1.4"),
            ("1.7.24~ds1", "1.7.24"),
            ("3.5.26-0", "3.5.26"),
            ("2.0.0-rc.3", "2.0.0"),
        ] {
            assert_eq!(text.parse::<Dotted>().unwrap().to_string(), version);
        }
        for bad in ["", "3.5", "3.5.x", "latest", "3.5.26.1", "+3.5.1", "70000.1.1"] {
            assert!(bad.parse::<Dotted>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn versions_and_minors_are_compared_as_numbers() {
        let (dotted, minor) =
            (|text: &str| text.parse::<Dotted>().unwrap(), |text: &str| text.parse::<Minor>().unwrap());
        assert!(dotted("3.5.9") < dotted("3.5.26"));
        assert!(minor("1.9") < minor("1.10"));
        assert_eq!(minor("1.35").ahead_of(minor("1.33")), 2);
        assert_eq!(minor("1.33").ahead_of(minor("1.35")), -2);
        assert!(minor("2.0").ahead_of(minor("1.99")) > 100);
        for bad in ["1", "1.x", "v1.34", "1.34.1", "1.+3", ""] {
            assert!(bad.parse::<Minor>().is_err(), "{bad:?} was taken");
        }
    }
}
