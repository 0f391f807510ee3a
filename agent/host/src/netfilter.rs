//! The firewall as it stands, in the words of its own programs, and the narrow ways to change it: by handle, by rule, by set.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;

/// One of the four rule sets that the iptables programs keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Iptables {
    /// IPv4, in the kernel's old tables.
    LegacyV4,
    /// IPv6, in the kernel's old tables.
    LegacyV6,
    /// IPv4, kept in nftables.
    NftV4,
    /// IPv6, kept in nftables.
    NftV6,
}

impl Iptables {
    /// All four.
    pub const ALL: [Self; 4] = [Self::LegacyV4, Self::LegacyV6, Self::NftV4, Self::NftV6];

    /// The stem of its programs' names: `iptables-nft` of `iptables-nft-save`.
    pub const fn program(self) -> &'static str {
        match self {
            Self::LegacyV4 => "iptables-legacy",
            Self::LegacyV6 => "ip6tables-legacy",
            Self::NftV4 => "iptables-nft",
            Self::NftV6 => "ip6tables-nft",
        }
    }

    /// The nftables family that it is kept in, if it is.
    pub const fn nft_family(self) -> Option<&'static str> {
        match self {
            Self::NftV4 => Some("ip"),
            Self::NftV6 => Some("ip6"),
            Self::LegacyV4 | Self::LegacyV6 => None,
        }
    }
}

/// Everything that filters or rewrites packets. Absent programs leave their part empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruleset {
    /// The list under `nftables` of `nft -j list ruleset`, meta information included.
    pub nft: Vec<serde_json::Value>,
    /// What each `*-save` printed.
    pub iptables: BTreeMap<Iptables, String>,
    /// Names of ipsets.
    pub ipsets: Vec<String>,
}

/// The firewall.
#[async_trait]
pub trait Netfilter: Send + Sync + std::fmt::Debug {
    /// All of it.
    async fn ruleset(&self) -> Result<Ruleset, Error>;
    /// Carries out nft commands (such as `{"delete": {...}}`) as one transaction.
    async fn apply_nft(&self, commands: &[serde_json::Value]) -> Result<(), Error>;
    /// Feeds `text` to the `*-restore --noflush` of that kind.
    async fn restore(&self, which: Iptables, text: &str) -> Result<(), Error>;
    /// Destroys an ipset. One that rules still use is an error, one that is gone is none.
    async fn destroy_ipset(&self, name: &str) -> Result<(), Error>;
}
