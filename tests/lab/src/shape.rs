//! What a lab consists of: how many hosts in which role, under which names and addresses. Pure data, so that everything else
//! (routes, /etc/hosts, pod networks, certificates) is derived from one place.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::release::Release;

/// The bridge that all hosts are plugged into.
pub const BRIDGE: &str = "lab0";
/// This machine's own address on the bridge.
pub const GATEWAY: &str = "10.70.0.1";
/// The address that moves between masters when there are several.
pub const VIP: &str = "10.70.0.10";
/// The coordinator's host.
pub const COORDINATOR: &str = "c1";

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Control plane and etcd.
    Master,
    /// Pods only.
    Worker,
    /// Slipway's coordinator; no part of the cluster.
    Coordinator,
}

/// A host's place in the lab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPlan {
    /// `m1`, `w2`, `c1`: machine name, host name and node name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The last number of its address, and the third of its pod network.
    pub number: u8,
}

impl HostPlan {
    fn new(role: Role, letter: char, first: u8, index: u8) -> Self {
        Self { name: format!("{letter}{index}"), role, number: first + index }
    }

    /// Its only address, on `host0`.
    pub fn address(&self) -> String {
        format!("10.70.0.{}", self.number)
    }

    /// The network that its pods get their addresses from.
    pub fn pod_network(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// Whether kubeadm ever makes a node of it.
    pub fn is_node(&self) -> bool {
        self.role != Role::Coordinator
    }
}

/// How large a lab is, and of which release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Control-plane hosts, at least one.
    pub masters: u8,
    /// Worker hosts.
    pub workers: u8,
    /// The release that the cluster starts with.
    pub release: Release,
}

impl Shape {
    /// The smallest lab in which a worker can leave: one master, two workers.
    pub const SMALL: Self = Self { masters: 1, workers: 2, release: Release::V1_33 };

    /// Refuses what the numbering of hosts has no room for.
    pub fn validate(self) -> Result<Self> {
        ensure!((1..=5).contains(&self.masters), "a lab has 1 to 5 masters, not {}", self.masters);
        ensure!(self.workers <= 9, "a lab has at most 9 workers, not {}", self.workers);
        Ok(self)
    }

    /// All hosts: masters, workers, then the coordinator's.
    pub fn hosts(self) -> Vec<HostPlan> {
        let masters = (1..=self.masters).map(|n| HostPlan::new(Role::Master, 'm', 10, n));
        let workers = (1..=self.workers).map(|n| HostPlan::new(Role::Worker, 'w', 20, n));
        masters.chain(workers).chain([HostPlan::new(Role::Coordinator, 'c', 30, 1)]).collect()
    }

    /// The hosts of which kubeadm makes nodes.
    pub fn nodes(self) -> Vec<HostPlan> {
        self.hosts().into_iter().filter(HostPlan::is_node).collect()
    }

    /// Where clients find the API server: the one master itself, or the address that moves between several.
    pub fn endpoint(self) -> String {
        if self.masters == 1 { "10.70.0.11".to_owned() } else { VIP.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_the_documented_ones() {
        let hosts: Vec<_> = Shape::SMALL.hosts().iter().map(|h| (h.name.clone(), h.address())).collect();
        let want = [("m1", "10.70.0.11"), ("w1", "10.70.0.21"), ("w2", "10.70.0.22"), ("c1", "10.70.0.31")];
        assert_eq!(hosts, want.map(|(name, address)| (name.to_owned(), address.to_owned())));
    }

    #[test]
    fn several_masters_share_an_address() {
        assert_eq!(Shape::SMALL.endpoint(), "10.70.0.11");
        assert_eq!(Shape { masters: 3, ..Shape::SMALL }.endpoint(), VIP);
    }
}
