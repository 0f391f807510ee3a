//! What steps work on: the cluster's API, the agents, and what is known of the hosts. One struct, so that a test can put another world
//! behind the same flows.

use std::sync::Arc;

use slipway_cluster::ClusterApi;
use slipway_errors::{Code, Coded};
use slipway_proto::types::HostFacts;
use slipway_types::{Clock, NodeName};

use crate::agents::Agents;
use crate::barrier::Barrier;
use crate::fellows::Fellows;
use crate::fleet::{Fleet, HostRecord, Hosts};
use crate::settings::Settings;
use crate::snapshot::Backups;
use crate::versions::Table;

/// The world of every flow.
pub struct World {
    /// The cluster's name, as given at init.
    pub cluster_name: String,
    /// This coordinator among the others.
    pub fellows: Fellows,
    /// The Kubernetes API.
    pub cluster: ClusterApi,
    /// How agents are asked.
    pub agents: Arc<dyn Agents>,
    /// Where snapshots of etcd go.
    pub backups: Arc<Backups>,
    /// Who is enrolled.
    pub hosts: Hosts,
    /// How they were last heard.
    pub fleet: Fleet,
    /// Which agents refuse the leaderships before ours.
    pub barrier: Arc<Barrier>,
    /// How this coordinator is configured.
    pub settings: Settings,
    /// What may be upgraded to what.
    pub versions: Arc<Table>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl World {
    /// The host that serves as node `name`.
    pub async fn host_of(&self, name: &NodeName) -> Result<HostRecord, Coded> {
        self.hosts.of_node(name).await?.ok_or_else(|| {
            Coded::new(Code::NODE_NO_AGENT, format!("no agent is enrolled for node {name}"))
                .do_this(format!("slipway token create --host {name}, then slipway-agent enrol on that host"))
        })
    }

    /// What the host says of itself; refused where another machine answers than the one that was enrolled.
    pub async fn said_by(&self, record: &HostRecord) -> Result<HostFacts, Coded> {
        let facts = self.agents.describe(record).await?.facts.unwrap_or_default();
        record.is_machine(&facts.machine_id)?;
        Ok(facts)
    }
}
