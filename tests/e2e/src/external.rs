//! A simulated cluster whose operators kept etcd in their own hands: a unit of systemd on each master, and workers that are prepared for a
//! member of their own.

use slipway_host::fake::preset;
use slipway_types::NodeRole;

use crate::sites::Sites;
use crate::workload;

/// The masters of such a cluster.
pub const MASTERS: [&str; 3] = ["m1", "m2", "m3"];

impl Sites {
    /// From now on etcd is a unit of systemd. Members and data stay the same.
    pub fn etcd_under_systemd(&self) -> anyhow::Result<()> {
        let servers = MASTERS.map(|name| format!("https://{}:2379", workload::address(name)));
        for name in MASTERS {
            self.site(name)?.machine.change(|state| preset::etcd_under_systemd(state, &servers));
        }
        for (name, _) in workload::NODES.iter().filter(|(_, role)| *role == NodeRole::Worker) {
            self.site(name)?.machine.change(preset::prepared_for_etcd);
        }
        Ok(())
    }
}
