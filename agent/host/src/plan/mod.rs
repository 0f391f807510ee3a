//! Cleanup planning: what of a host is Kubernetes', and in which order it goes. Pure functions from what is present to a list of removals, so
//! that the dangerous part can be tested with plain data. Beside it what package managers are told, and what they say.

pub mod apt;
pub mod apt_dialect;
pub mod apt_sources;
pub mod compare;
pub mod iptables;
pub mod netfilter;
pub mod network;
pub mod nft;
pub mod paths;
pub mod scope;
