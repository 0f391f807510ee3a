//! Where an upgrade leads: `1.34` is the newest patch of that minor in the repository, `1.34.4` exactly that one.

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::KubernetesVersion;

use crate::flows::packages::Repository;

/// A version as operators name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The newest patch of a minor.
    Minor(u16, u16),
    /// One release.
    Exactly(KubernetesVersion),
}

impl Wanted {
    pub(super) fn parse(text: &str) -> Result<Self, Coded> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        if let Ok(version) = bare.parse() {
            return Ok(Self::Exactly(version));
        }
        // A minor is a version without its last number.
        match format!("{bare}.0").parse::<KubernetesVersion>() {
            Ok(version) if !bare.is_empty() => Ok(Self::Minor(version.major, version.minor)),
            _ => Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{text:?} is no version of Kubernetes"))
                .do_this("a minor such as 1.34, or a release such as 1.34.4")),
        }
    }

    /// `1.34`.
    pub(super) fn minor(self) -> String {
        let (major, minor) = match self {
            Self::Minor(major, minor) => (major, minor),
            Self::Exactly(version) => (version.major, version.minor),
        };
        format!("{major}.{minor}")
    }

    /// The release that is meant, among those that a repository has.
    pub(super) fn among(self, available: &[KubernetesVersion]) -> Result<KubernetesVersion, Coded> {
        let newest = || available.iter().max().map_or_else(|| "none".to_owned(), ToString::to_string);
        let found = match self {
            Self::Exactly(version) => available.iter().find(|has| **has == version),
            Self::Minor(major, minor) => available.iter().filter(|has| (has.major, has.minor) == (major, minor)).max(),
        };
        found.copied().ok_or_else(|| {
            let what = match self {
                Self::Exactly(version) => version.to_string(),
                Self::Minor(..) => format!("release of {}", self.minor()),
            };
            Coded::new(
                Code::UPGRADE_TARGET,
                format!("the repository of {} has no {what}; its newest is {}", self.minor(), newest()),
            )
            .do_this(
                "name a release that is there, or look at the mirror and at packages.* in the coordinator's settings",
            )
        })
    }
}

/// Where an upgrade leads, with everything that is the same for all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) version: KubernetesVersion,
    pub(super) repository: Repository,
    /// Where kubeadm takes images from; empty: its own default.
    pub(super) images: String,
    /// Checks of kubeadm that are overlooked.
    pub(super) ignored: Vec<String>,
    /// The image that members of etcd are raised to first; none: they need not.
    pub(super) etcd_image: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(texts: &[&str]) -> Vec<KubernetesVersion> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_minor_means_its_newest_patch_and_a_release_itself() {
        let there = versions(&["1.34.1", "1.34.10", "1.34.9", "1.35.0"]);
        let of = |text: &str| Wanted::parse(text).unwrap().among(&there).map(|found| found.to_string());
        assert_eq!(of("1.34").unwrap(), "v1.34.10");
        assert_eq!(of("v1.34.9").unwrap(), "v1.34.9");
        assert_eq!(of("1.34.2").unwrap_err().code, Code::UPGRADE_TARGET);
        assert_eq!(of("1.36").unwrap_err().code, Code::UPGRADE_TARGET);
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for bad in ["", "1", "1.x", "latest", "1.34.4.1", "1.34."] {
            assert_eq!(Wanted::parse(bad).unwrap_err().code, Code::RUN_BAD_PARAMETER, "{bad:?}");
        }
    }
}
