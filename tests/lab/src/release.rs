//! The Kubernetes releases that the lab can be made of: one row per minor, and nothing else in the lab names a version.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A Kubernetes minor with the patch release that the lab builds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
pub enum Release {
    /// 1.33.13, with etcd 3.5.
    #[value(name = "1.33")]
    #[serde(rename = "1.33")]
    V1_33,
    /// 1.34.4, with etcd 3.6.
    #[value(name = "1.34")]
    #[serde(rename = "1.34")]
    V1_34,
}

impl Release {
    /// All of them, oldest first.
    pub const ALL: [Self; 2] = [Self::V1_33, Self::V1_34];

    /// `1.33.13`
    pub fn version(self) -> &'static str {
        match self {
            Self::V1_33 => "1.33.13",
            Self::V1_34 => "1.34.4",
        }
    }

    /// `33`
    pub fn minor(self) -> u32 {
        match self {
            Self::V1_33 => 33,
            Self::V1_34 => 34,
        }
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
            Self::V1_33 => "1.6.0-1.1",
            Self::V1_34 => "1.7.1-1.1",
        }
    }
}
