//! What a leader's steps work on: its leadership, the agents that obey it, the gate before its writes, and questions to everybody. The decisions
//! are the product's; here is only the asking.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use slipway_cluster::etcd::Member;
use slipway_cluster::{Node, REQUEST_DEADLINE};
use slipway_coordinator::admission::{Outlook, consider};
use slipway_coordinator::gate::Confirmations;
use slipway_coordinator::pools::{MASTERS, Share, share_of};
use slipway_coordinator::settings::Budget;
use slipway_coordinator::steps::judge_api;
use slipway_errors::{Code, Coded};
use slipway_flow::attempt::Doorkeeper;
use slipway_flow::claims::Claims;
use slipway_flow::{AdmissionRequest, StepError};
use slipway_store::Leadership;
use slipway_types::{Clock, Fence, NodeName, RunId};

use crate::clock::VirtualClock;
use crate::fact::Fact;
use crate::message::{Answer, Ask, Change, Reply, Write};
use crate::mutants::Mutant;
use crate::party::Party;
use crate::shared::Shared;

/// How long an agent may take for an answer.
const AGENT: Duration = Duration::from_secs(5);

/// A leader's view of the world.
pub struct Site {
    /// The world.
    pub shared: Shared,
    /// Its clock.
    pub clock: Arc<VirtualClock>,
    /// The coordinator's number.
    pub me: usize,
    /// The leadership.
    pub fence: Fence,
    /// The bug that is put in.
    pub mutant: Option<Mutant>,
    /// What open runs take out of service.
    pub claims: Mutex<Claims>,
    budget: Budget,
    gate: Mutex<Confirmations>,
    raised: Mutex<BTreeSet<usize>>,
    admitting: futures::lock::Mutex<()>,
}

/// What is behind a lock, whatever happened to whoever held it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn strange() -> Coded {
    Coded::new(Code::INTERNAL, "an answer to another question")
}

impl Site {
    /// The view of a leadership that was just won.
    pub fn new(shared: &Shared, me: usize, leadership: &Leadership) -> Self {
        let world = shared.world();
        let (clock, mutant) = (world.clock.clone(), world.mutant);
        let max_disrupted = world.budget + u32::from(mutant == Some(Mutant::BudgetOffByOne));
        drop(world);
        Self {
            shared: shared.clone(),
            me,
            fence: leadership.fence.clone(),
            mutant,
            claims: Mutex::default(),
            budget: Budget { max_disrupted, pools: Default::default() },
            gate: Mutex::new(Confirmations::of(leadership, clock.since_boot())),
            raised: Mutex::default(),
            admitting: futures::lock::Mutex::default(),
            clock,
        }
    }

    /// Asks somebody.
    pub async fn ask(&self, to: Party, ask: Ask, deadline: Duration) -> Reply {
        self.shared.ask(Party::Coordinator(self.me), to, ask, deadline).await
    }

    /// Asks the store.
    pub async fn store(&self, ask: Ask) -> Reply {
        self.shared.ask_store(Party::Coordinator(self.me), ask).await
    }

    /// Asks an agent.
    pub async fn agent(&self, host: usize, ask: Ask) -> Reply {
        self.ask(Party::Agent(host), ask, AGENT).await
    }

    /// All Nodes.
    pub async fn nodes(&self) -> Result<Vec<Node>, Coded> {
        self.read(Ask::Nodes).await
    }

    /// One Node.
    pub async fn node(&self, name: &NodeName) -> Result<Option<Node>, Coded> {
        Ok(self.read(Ask::Node(name.clone())).await?.pop())
    }

    async fn read(&self, ask: Ask) -> Result<Vec<Node>, Coded> {
        match self.ask(Party::Api, ask, REQUEST_DEADLINE).await {
            Ok(Answer::Nodes(nodes)) => Ok(nodes),
            Ok(_) => Err(strange()),
            Err(error) => Err(away(error)),
        }
    }

    /// Makes a change at the API server, when the gate lets it.
    pub async fn write(&self, run: &RunId, node: &NodeName, uid: &str, change: Change) -> Result<(), Coded> {
        self.allowed().await?;
        let write = Write { node: node.clone(), change, by: self.fence.clone(), run: run.clone(), uid: uid.to_owned() };
        let reply = self.ask(Party::Api, Ask::Write(Box::new(write)), REQUEST_DEADLINE).await;
        reply.map(drop).map_err(away)
    }

    /// The gate of the coordinator, with the questions that it asks.
    pub async fn allowed(&self) -> Result<(), Coded> {
        if self.mutant == Some(Mutant::GateAlwaysOpen) {
            return Ok(());
        }
        let wait = lock(&self.gate).wait(self.clock.since_boot());
        if !wait.is_zero() {
            self.shared.sleep(wait).await;
        }
        for _ in 0..3 {
            let asked = self.clock.since_boot();
            if lock(&self.gate).are_fresh(asked) {
                return Ok(());
            }
            self.store(Ask::Confirm(self.fence.clone())).await?;
            if lock(&self.gate).confirmed(asked, self.clock.since_boot()) {
                return Ok(());
            }
        }
        Err(Coded::new(Code::STORE_AWAY, "the store's word comes too late to count"))
    }

    /// The members of etcd, from whichever host of these answers first.
    pub async fn members(&self, hosts: &[usize]) -> Result<Vec<Member>, Coded> {
        let mut last = Coded::new(Code::QUORUM_LOST, "nobody can be asked about etcd");
        for host in hosts {
            match self.agent(*host, Ask::Members).await {
                Ok(Answer::Members(members)) => return Ok(members),
                Ok(_) => return Err(strange()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Raises the fence on hosts that do not have it yet; gives those that could not be told, and why.
    pub async fn raise(&self, hosts: &[usize]) -> Vec<(usize, Coded)> {
        if self.mutant == Some(Mutant::BarrierLeftOut) {
            return Vec::new();
        }
        let waiting: Vec<usize> = hosts.iter().copied().filter(|host| !lock(&self.raised).contains(host)).collect();
        let asked =
            waiting.into_iter().map(async |host| (host, self.agent(host, Ask::Raise(self.fence.clone())).await));
        let mut untold = Vec::new();
        for (host, answer) in futures::future::join_all(asked).await {
            match answer {
                Ok(_) => drop(lock(&self.raised).insert(host)),
                Err(error) => untold.push((host, error)),
            }
        }
        untold
    }

    /// The number of the host of a node.
    pub fn host_of(&self, node: &NodeName) -> Option<usize> {
        self.shared.world().host_of(node)
    }

    fn name_of(&self, host: usize) -> Option<String> {
        self.shared.world().hosts.get(host).map(|host| host.node.to_string())
    }

    async fn decide(&self, run: &RunId, wanted: &NodeName) -> Result<(), StepError> {
        let under_way = lock(&self.claims).ask(run, wanted);
        let (fence, node) = (self.fence.clone(), wanted.clone());
        let request = AdmissionRequest { node: node.clone(), run: run.clone(), fence: fence.clone(), under_way };
        let counted = consider(self, &request).await?.into_iter().collect();
        self.shared.world().facts.push(Fact::Admitted { fence, node, counted });
        lock(&self.claims).admitted(run, wanted);
        Ok(())
    }
}

#[async_trait]
impl Outlook for Site {
    async fn writable(&self) -> Result<(), StepError> {
        self.allowed().await.map_err(judge_api)
    }

    async fn nodes(&self) -> Result<Vec<Node>, StepError> {
        Self::nodes(self).await.map_err(StepError::wait)
    }

    fn share(&self, node: &Node) -> Share {
        share_of(node.role, &node.labels, &self.budget)
    }

    async fn limit(&self, _run: &RunId, share: &Share) -> Result<usize, StepError> {
        let more = self.mutant == Some(Mutant::TwoMastersAtOnce) && share.pool == MASTERS;
        Ok(share.limit_for(None) as usize + usize::from(more))
    }

    async fn raise(&self, nodes: &[&Node]) -> Result<Vec<(String, Coded)>, StepError> {
        let hosts: Vec<usize> = nodes.iter().filter_map(|node| self.host_of(&node.name)).collect();
        let refusals = Self::raise(self, &hosts).await;
        Ok(refusals.into_iter().filter_map(|(host, error)| Some((self.name_of(host)?, error))).collect())
    }
}

/// As the product tells a silence of the API server.
fn away(error: Coded) -> Coded {
    if error.code == Code::WIRE_DEADLINE { Coded { code: Code::KUBE_UNREACHABLE, ..error } } else { error }
}

#[async_trait]
impl Doorkeeper for Site {
    async fn admit(&self, run: &RunId, node: &NodeName) -> Result<(), StepError> {
        let _turn = self.admitting.lock().await;
        self.decide(run, node).await
    }
}
