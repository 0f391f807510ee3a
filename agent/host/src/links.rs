//! Network links, routes and named network namespaces of the host.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;

/// A network link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// What the kernel calls its type: `vxlan`, `bridge`, `veth`, `dummy`; empty for a physical one or the loopback.
    pub kind: String,
    /// The bridge or bond that it is a port of.
    pub master: Option<String>,
    /// Its addresses with prefix length.
    pub addresses: Vec<String>,
}

/// A route of any table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// `10.244.1.0/24`; `0.0.0.0/0` or `::/0` for a default route.
    pub destination: String,
    /// The next hop.
    pub gateway: Option<String>,
    /// The link that it leaves by.
    pub device: Option<String>,
    /// Who installed it: 2 kernel, 3 boot, 4 static, 12 bird, 80 calico.
    pub protocol: u8,
    /// The routing table: 254 is main.
    pub table: u32,
}

/// A named network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its file's name in `/run/netns`.
    pub name: String,
    /// A process lives in it.
    pub in_use: bool,
}

/// Links, routes, namespaces.
#[async_trait]
pub trait Links: Send + Sync + std::fmt::Debug {
    /// Every link.
    async fn list(&self) -> Result<Vec<Link>, Error>;
    /// Deletes the link if it has that name and that kind. One that is gone is no error; one of another kind is.
    async fn delete(&self, name: &str, kind: &str) -> Result<(), Error>;
    /// Takes `address` (`10.70.0.10/32`) off the link. One that is not there is no error.
    async fn delete_address(&self, link: &str, address: &str) -> Result<(), Error>;
    /// Every unicast route of IPv4 and IPv6, except those of the table `local`.
    async fn routes(&self) -> Result<Vec<Route>, Error>;
    /// Deletes exactly that route. One that is gone is no error.
    async fn delete_route(&self, route: &Route) -> Result<(), Error>;
    /// The named network namespaces.
    async fn namespaces(&self) -> Result<Vec<Namespace>, Error>;
    /// Unmounts and removes a named namespace.
    async fn delete_namespace(&self, name: &str) -> Result<(), Error>;
}
