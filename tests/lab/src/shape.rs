//! What a lab consists of: how many hosts in which role, under which names and addresses. Pure data, so that everything else
//! (routes, /etc/hosts, pod networks, certificates) is derived from one place.

use anyhow::{Result, ensure};
use clap::ValueEnum;
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
    /// Nothing yet: an agent is all that it has, until it joins.
    Bare,
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

    /// Whether it is a node as soon as the lab is up.
    pub fn is_node(&self) -> bool {
        matches!(self.role, Role::Master | Role::Worker)
    }

    /// Whether it is a node or may become one, so that an agent runs there.
    pub fn has_agent(&self) -> bool {
        self.role != Role::Coordinator
    }
}

/// Which address the cluster's clients are given for several masters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Entrance {
    /// The one that moves between masters.
    #[default]
    Vip,
    /// The first master's own, as it is where the second master was an afterthought.
    First,
}

/// Who runs etcd on the masters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Etcd {
    /// kubeadm, as a static pod.
    #[default]
    Stacked,
    /// systemd, as a unit of its own that kubeadm knows as external.
    External,
}

/// How large a lab is, and of which release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Control-plane hosts, at least one.
    pub masters: u8,
    /// Worker hosts.
    pub workers: u8,
    /// Hosts with an agent that are no nodes yet.
    #[serde(default)]
    pub bare: u8,
    /// The release that the cluster starts with.
    pub release: Release,
    /// What clients are given as the API server's address.
    #[serde(default)]
    pub entrance: Entrance,
    /// Who runs etcd.
    #[serde(default)]
    pub etcd: Etcd,
    /// Whether it must be one that no test was run on. Asked for, and true of no lab for long: it is not written down.
    #[serde(skip)]
    pub fresh: bool,
}

impl Shape {
    /// The smallest lab in which a worker can leave: one master, two workers.
    pub const SMALL: Self = Self {
        masters: 1,
        workers: 2,
        bare: 0,
        release: Release::V1_33,
        entrance: Entrance::Vip,
        etcd: Etcd::Stacked,
        fresh: false,
    };

    /// The smallest lab in which a master can leave: three masters and two workers.
    pub const WIDE: Self = Self { masters: 3, ..Self::SMALL };

    /// The smallest lab in which hosts can join: one master, two workers, two bare hosts.
    pub const JOINABLE: Self = Self { bare: 2, ..Self::SMALL };

    /// Refuses what the numbering of hosts has no room for.
    pub fn validate(self) -> Result<Self> {
        ensure!((1..=5).contains(&self.masters), "a lab has 1 to 5 masters, not {}", self.masters);
        ensure!(self.workers <= 9, "a lab has at most 9 workers, not {}", self.workers);
        ensure!(self.bare <= 9, "a lab has at most 9 bare hosts, not {}", self.bare);
        let several = self.masters > 1;
        ensure!(several || self.entrance == Entrance::Vip, "one master has no address but its own");
        ensure!(several || self.etcd == Etcd::Stacked, "an etcd under systemd is set up on several masters only");
        Ok(self)
    }

    /// All hosts: masters, workers, bare ones, then the coordinator's.
    pub fn hosts(self) -> Vec<HostPlan> {
        let masters = (1..=self.masters).map(|n| HostPlan::new(Role::Master, 'm', 10, n));
        let workers = (1..=self.workers).map(|n| HostPlan::new(Role::Worker, 'w', 20, n));
        let bare = (1..=self.bare).map(|n| HostPlan::new(Role::Bare, 'b', 40, n));
        masters.chain(workers).chain(bare).chain([HostPlan::new(Role::Coordinator, 'c', 30, 1)]).collect()
    }

    /// The hosts that are nodes or may become some.
    pub fn agents(self) -> Vec<HostPlan> {
        self.hosts().into_iter().filter(HostPlan::has_agent).collect()
    }

    /// The control-plane hosts.
    pub fn masters(self) -> Vec<HostPlan> {
        self.hosts().into_iter().filter(|host| host.role == Role::Master).collect()
    }

    /// Where clients find the API server: the first master itself, or the address that moves between several.
    pub fn endpoint(self) -> String {
        if self.has_vip() { VIP.to_owned() } else { "10.70.0.11".to_owned() }
    }

    /// Whether the address that moves is in use from the start.
    pub fn has_vip(self) -> bool {
        self.masters > 1 && self.entrance == Entrance::Vip
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
    fn bare_hosts_have_agents_and_are_no_nodes() {
        let hosts = Shape::JOINABLE.hosts();
        let bare: Vec<_> = hosts.iter().filter(|host| host.role == Role::Bare).collect();
        assert_eq!(bare.iter().map(|host| host.address()).collect::<Vec<_>>(), ["10.70.0.41", "10.70.0.42"]);
        assert!(bare.iter().all(|host| host.has_agent() && !host.is_node()));
    }

    #[test]
    fn several_masters_share_an_address() {
        assert_eq!(Shape::SMALL.endpoint(), "10.70.0.11");
        assert_eq!(Shape::WIDE.endpoint(), VIP);
        assert_eq!(Shape { entrance: Entrance::First, ..Shape::WIDE }.endpoint(), "10.70.0.11");
    }

    #[test]
    fn one_master_has_nothing_to_choose() {
        assert!(Shape { entrance: Entrance::First, ..Shape::SMALL }.validate().is_err());
        assert!(Shape { etcd: Etcd::External, ..Shape::SMALL }.validate().is_err());
        assert!(Shape { etcd: Etcd::External, ..Shape::WIDE }.validate().is_ok());
    }

    #[test]
    fn the_record_of_an_older_lab_can_be_read() {
        let shape: Shape = serde_json::from_str(r#"{"masters":3,"workers":2,"release":"1.33"}"#).unwrap();
        assert_eq!(shape, Shape::WIDE);
    }
}
