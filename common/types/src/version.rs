//! Kubernetes versions, compared as numbers, so that 1.9 is before 1.10.

use serde::{Deserialize, Serialize};

/// A Kubernetes release such as `v1.33.13`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubernetesVersion {
    /// 1, so far.
    pub major: u16,
    /// The minor release.
    pub minor: u16,
    /// The patch release.
    pub patch: u16,
}

/// Why a version was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no Kubernetes version such as v1.33.13")]
pub struct InvalidVersion(pub String);

impl std::str::FromStr for KubernetesVersion {
    type Err = InvalidVersion;
    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let refused = || InvalidVersion(text.to_owned());
        let numbers: Vec<u16> = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(|part| if part.starts_with('+') { None } else { part.parse().ok() })
            .collect::<Option<_>>()
            .ok_or_else(refused)?;
        match numbers[..] {
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for KubernetesVersion {
    type Error = InvalidVersion;
    fn try_from(text: String) -> Result<Self, InvalidVersion> {
        text.parse()
    }
}

impl From<KubernetesVersion> for String {
    fn from(version: KubernetesVersion) -> String {
        version.to_string()
    }
}

impl std::fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_numbers() {
        let version = |text: &str| text.parse::<KubernetesVersion>().unwrap();
        assert!(version("v1.9.0") < version("1.10.0"));
        assert_eq!(version("v1.33.13").to_string(), "v1.33.13");
        for bad in ["", "1.33", "v1.33.x", "1.33.1.1", "1.33.+1", "v1.33.13-rc.0"] {
            assert!(bad.parse::<KubernetesVersion>().is_err(), "{bad:?} was taken");
        }
    }
}
