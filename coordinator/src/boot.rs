//! From settings to a coordinator at work: store, leadership, world, runs. The order matters: nothing is done to the cluster before the
//! leadership is taken, and none is taken with a store that is older than what agents have seen.

use std::sync::Arc;
use std::time::Duration;

use slipway_cluster::ClusterApi;
use slipway_errors::{Code, Coded};
use slipway_flow::{Options, Runner};
use slipway_store::{Attendant, Candidate, HighWater, Leadership, Store, judge_copy};
use slipway_types::{Clock, Fence, IdGen};
use tokio::task::JoinSet;

use crate::admission::PoolBudgets;
use crate::agents::Agents;
use crate::barrier::Barrier;
use crate::fellows::Fellows;
use crate::fleet::{Fleet, HostRecord, Hosts};
use crate::gate::LeaderGate;
use crate::runs::Runs;
use crate::settings::Settings;
use crate::snapshot::Backups;
use crate::versions::Table;
use crate::world::World;

/// How long agents are asked for the fences they keep, before the coordinator goes on without those that are silent.
const ASK_FENCES: Duration = Duration::from_secs(3);

/// What a coordinator is made from.
pub struct Foundation {
    /// How it is configured.
    pub settings: Settings,
    /// What may be upgraded to what.
    pub versions: Arc<Table>,
    /// The cluster's name.
    pub cluster_name: String,
    /// The machine it runs on.
    pub machine_id: Option<String>,
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The Kubernetes API, with any gate.
    pub cluster: ClusterApi,
    /// How agents are asked.
    pub agents: Arc<dyn Agents>,
    /// Where snapshots of etcd go.
    pub backups: Arc<Backups>,
    /// Names this process among coordinators; another after each start.
    pub holder: String,
    /// Where others find it while it leads.
    pub address: String,
    /// A leader was seen at work in the store by this process: then it is no older copy, and agents need not be asked.
    pub store_is_live: bool,
    /// An administrator said that the store may be an older copy.
    pub accept_old_copy: bool,
    /// Names runs.
    pub ids: Arc<dyn IdGen>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// A coordinator that leads.
pub struct Coordinator {
    /// What flows work on.
    pub world: Arc<World>,
    /// The runs.
    pub runs: Runs,
    /// The leadership.
    pub leadership: Leadership,
}

impl Foundation {
    /// Takes the leadership and goes on with every open run.
    pub async fn lead(self) -> Result<Coordinator, Coded> {
        let coordinator = self.take_over().await?;
        coordinator.runs.runner.recover().await?;
        Ok(coordinator)
    }

    /// Takes the leadership, and leaves open runs as they are.
    pub async fn take_over(self) -> Result<Coordinator, Coded> {
        let leadership = self.campaign().await?;
        let fence = leadership.fence.clone();
        let hosts = Hosts::new(self.store.clone(), fence.clone());
        let gate = Arc::new(LeaderGate::new(self.store.clone(), &leadership, self.clock.clone()));
        let me = Attendant {
            coordinator: self.holder.split_once('/').map_or(self.holder.as_str(), |(id, _)| id).to_owned(),
            address: self.address,
            machine_id: self.machine_id.unwrap_or_default(),
        };
        let fellows = Fellows::new(self.store.clone(), me, self.settings.may_be_several());
        let world = Arc::new(World {
            cluster_name: self.cluster_name,
            fellows,
            cluster: self.cluster.with_gate(gate),
            barrier: Arc::new(Barrier::new(fence.clone(), self.agents.clone())),
            agents: self.agents,
            backups: self.backups,
            hosts,
            fleet: Fleet::new(self.clock.clone(), &self.settings.agents),
            settings: self.settings,
            versions: self.versions,
            clock: self.clock.clone(),
        });
        let journal: Arc<dyn slipway_flow::Journal> = self.store.clone();
        let (flows, admission, options) =
            (crate::flows::registry(), Arc::new(PoolBudgets { journal: journal.clone() }), Options::default());
        let runner =
            Runner::with_admission(world.clone(), journal, flows, admission, fence.clone(), self.clock, options);
        let runs = Runs { runner, store: self.store, ids: self.ids, fence };
        Ok(Coordinator { world, runs, leadership })
    }

    async fn campaign(&self) -> Result<Leadership, Coded> {
        let seen = if self.store_is_live { Vec::new() } else { self.fences().await? };
        let high_water = self.store.high_water().await?;
        let mut candidate = candidate(&high_water, &seen, self.accept_old_copy)?;
        (candidate.holder, candidate.address) = (self.holder.clone(), self.address.clone());
        Ok(self.store.campaign(&candidate).await?)
    }

    /// The fences that agents keep, of those that answer in time.
    async fn fences(&self) -> Result<Vec<Fence>, Coded> {
        let mut asked = JoinSet::new();
        for record in self.store.list("hosts/").await? {
            let host: HostRecord = serde_json::from_slice(&record.value).map_err(|error| {
                Coded::new(Code::STORE_CORRUPT, format!("the record {} cannot be read: {error}", record.key))
            })?;
            let agents = self.agents.clone();
            asked.spawn(async move { tokio::time::timeout(ASK_FENCES, agents.identify(&host)).await });
        }
        let mut fences = Vec::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok(Ok(Ok(said))) = answer {
                fences.extend(said.fence.map(Fence::from));
            }
        }
        Ok(fences)
    }
}

/// Who campaigns after that leadership, where agents keep these fences: whoever came meanwhile has come first, and a store that is older than
/// what agents have seen takes an administrator's word.
pub fn candidate(high_water: &HighWater, seen: &[Fence], accept_old_copy: bool) -> Result<Candidate, Coded> {
    let candidate = Candidate { after: Some(high_water.term), ..Candidate::default() };
    let Err(error) = judge_copy(high_water, seen) else { return Ok(candidate) };
    if !accept_old_copy {
        return Err(error.coded().do_this(
            "find the newer store; if it is lost, start once with --accept-old-copy: runs since the copy are forgotten, look at the nodes first",
        ));
    }
    tracing::warn!(%error, "going on with an older copy of the store, as an administrator said");
    let of_store = seen.iter().filter(|fence| fence.lineage == high_water.lineage);
    Ok(candidate.above(of_store.map(|fence| fence.term).max().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::{Lineage, Term};

    #[test]
    fn an_older_copy_takes_a_word_and_then_counts_from_what_agents_have_seen() {
        let store = HighWater { lineage: Lineage("a".into()), term: Term(4), holder: "c1".into() };
        let fence =
            |lineage: &str, term| Fence { lineage: Lineage(lineage.into()), term: Term(term), ..Fence::default() };
        let seen = [fence("a", 4), fence("z", 90)];
        let usual = candidate(&store, &seen, false).unwrap();
        assert_eq!((usual.floor, usual.after), (Term(0), Some(Term(4))));
        let seen = [fence("a", 9), fence("z", 90)];
        assert_eq!(candidate(&store, &seen, false).unwrap_err().code, Code::STORE_OLD_COPY);
        let admitted = candidate(&store, &seen, true).unwrap();
        assert_eq!((admitted.floor, admitted.after), (Term(9), Some(Term(4))));
    }
}
