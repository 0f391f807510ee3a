//! The Kubernetes releases that the lab can be made of or led to: one row each, and nothing else in the lab names a version.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A Kubernetes release that the lab has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Release {
    /// 1.33.13, with etcd 3.5.
    #[value(name = "1.33")]
    #[serde(rename = "1.33")]
    V1_33,
    /// 1.33.14: no other programs, but those of 1.33.13 with another number in them, so that there is a next patch release to go to. A real
    /// one would take ten minutes to compile, and prove no more of who installs and starts it.
    #[value(name = "1.33-next")]
    #[serde(rename = "1.33-next")]
    V1_33Next,
    /// 1.34.4, with etcd 3.6.
    #[value(name = "1.34")]
    #[serde(rename = "1.34")]
    V1_34,
    /// 1.35.0: a name in a repository, so that it can be asked for and refused. What is in its packages is 1.34.4.
    #[value(skip)]
    #[serde(rename = "1.35")]
    V1_35,
}

/// The last of etcd's 3.5 line, which members of 1.33 pass on their way to 3.6: as the tag of its image.
pub(crate) const LATER_ETCD: &str = "3.5.35-0";

impl Release {
    /// All that a cluster can be of, oldest first.
    pub const ALL: [Self; 3] = [Self::V1_33, Self::V1_33Next, Self::V1_34];

    /// `1.33.13`
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_33 => "1.33.13",
            Self::V1_33Next => "1.33.14",
            Self::V1_34 => "1.34.4",
            Self::V1_35 => "1.35.0",
        }
    }

    /// `33`
    pub fn minor(self) -> u32 {
        match self {
            Self::V1_33 | Self::V1_33Next => 33,
            Self::V1_34 => 34,
            Self::V1_35 => 35,
        }
    }

    /// The release whose programs it really is.
    pub fn compiled(self) -> Self {
        match self {
            Self::V1_33Next => Self::V1_33,
            own => own,
        }
    }

    /// All releases of its minor, which share a package repository.
    pub fn siblings(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| other.minor() == self.minor())
    }

    /// `v1.33`, as package repositories are called.
    pub fn repository(self) -> String {
        format!("v1.{}", self.minor())
    }

    /// The version of the packages kubelet, kubeadm and kubectl: `1.33.13-1.1`.
    pub fn package_version(self) -> String {
        format!("{}-1.1", self.version())
    }

    /// The version of the package kubernetes-cni that lies in the same repository.
    pub fn cni_package_version(self) -> &'static str {
        match self {
            Self::V1_33 | Self::V1_33Next => "1.6.0-1.1",
            Self::V1_34 | Self::V1_35 => "1.7.1-1.1",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_put_in_anothers_place_is_as_long() {
        for release in Release::ALL {
            assert_eq!(release.version().len(), release.compiled().version().len());
            assert_eq!(release.minor(), release.compiled().minor());
        }
    }
}
