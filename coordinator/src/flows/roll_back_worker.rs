//! `roll-back-worker`: a worker goes back to the packages and the kubelet's configuration that it had before its upgrade. A master never does: its
//! control plane has written newer objects.

mod before;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use slipway_cluster::is_foreign_cordon;
use slipway_errors::{Code, Coded};
use slipway_flow::{Flow, Plan, Step};
use slipway_proto::types::action::Action as Kind;
use slipway_proto::types::{Action, RestartKubelet, RollBackKubelet};
use slipway_types::{KubernetesVersion, NodeRole};

use super::evacuate::{Evacuation, evacuation};
use super::obstacles::refuse_what_stays;
use super::packages::{Repository, bare, install, minor, packages};
use super::parameters::{DrainParameters, facts, read, schema, stored};
use super::replace_etcd_member::{Place, clear, listed};
use crate::pools::share_of;
use crate::steps::{BackIntoService, Cordon, Drain, HostAction, HostTarget, Settled, StaysEmpty, WithWayBack};
use crate::versions::{Minor, Table};
use crate::world::World;

/// See the module.
pub(super) struct RollBackWorker;

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
struct Parameters {
    /// The worker; one for each run.
    #[serde(default)]
    nodes: Vec<String>,
    /// The release that it had before, such as `1.33.13`; empty: the one that its agent noted when it began the last upgrade there.
    #[serde(default)]
    to: String,
    #[serde(flatten)]
    drain: DrainParameters,
    /// Who asked; the coordinator writes it.
    #[serde(default)]
    actor: String,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    host: HostTarget,
    uid: String,
    pool: String,
    foreign_cordon: bool,
    /// What it has now.
    from: KubernetesVersion,
    to: KubernetesVersion,
    repository: Repository,
    /// The repository that a file of ours names there now.
    #[serde(default)]
    ours: Option<String>,
    evacuation: Evacuation,
    work: Vec<Shown>,
    soak_ms: u32,
}

/// What the agent said of one action.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Shown {
    by_hand: Vec<String>,
    changes: Vec<String>,
}

/// What is done on the host, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Repository,
    Download,
    Packages,
    Configuration,
    Kubelet,
}

const ORDER: [Work; 5] = [Work::Repository, Work::Download, Work::Packages, Work::Configuration, Work::Kubelet];
/// How many of them are done while the node serves: what cannot be fetched costs nobody a pod.
const FETCHED: usize = 2;
const PACKAGES: [&str; 3] = ["kubelet", "kubeadm", "kubectl"];

impl Work {
    fn action(self, to: KubernetesVersion, repository: &Repository) -> Action {
        let action = match self {
            Self::Repository => return repository.action(),
            Self::Download => return install(to, &PACKAGES, true),
            Self::Packages => return install(to, &PACKAGES, false),
            Self::Configuration => Kind::RollBackKubelet(RollBackKubelet { before: bare(to), ..Default::default() }),
            Self::Kubelet => Kind::RestartKubelet(RestartKubelet { kubernetes: bare(to) }),
        };
        Action { action: Some(action) }
    }

    fn step(self, facts: &Facts, shown: &Shown) -> HostAction {
        let (name, summary, minutes) = match self {
            Self::Repository => {
                ("set-repository", format!("packages come from the repository of {}", facts.repository.minor), 10)
            }
            Self::Download => {
                ("download-packages", format!("packages of {} lie ready; nothing is installed", facts.to), 30)
            }
            Self::Packages => {
                ("install-packages", format!("kubelet, kubeadm and kubectl {} -> {}", facts.from, facts.to), 30)
            }
            Self::Configuration => {
                ("roll-back-kubelet", "the kubelet is configured as before the upgrade".to_owned(), 2)
            }
            Self::Kubelet => ("restart-kubelet", format!("the kubelet starts anew as {}", facts.to), 10),
        };
        let action = self.action(facts.to, &facts.repository);
        HostAction {
            summary,
            by_hand: shown.by_hand.clone(),
            changes: shown.changes.clone(),
            ..HostAction::once(&facts.host, action, name, Duration::from_mins(minutes))
        }
    }
}

#[async_trait]
impl Flow<World> for RollBackWorker {
    fn name(&self) -> &'static str {
        "roll-back-worker"
    }

    fn summary(&self) -> &'static str {
        "takes a worker back to the packages and the kubelet's configuration that it had before its upgrade"
    }

    fn params_schema(&self) -> Value {
        schema::<Parameters>()
    }

    async fn facts(&self, world: &World, params: &Value) -> Result<Value, Coded> {
        let parameters: Parameters = read(params)?;
        let names = super::choose::names(&parameters.nodes)?;
        let mut one = names.iter();
        let (Some(name), None) = (one.next(), one.next()) else {
            return Err(Coded::new(Code::RUN_BAD_PARAMETER, format!("{} workers are named", names.len()))
                .do_this("name one; each is a run of its own"));
        };
        let nodes = world.cluster.nodes(None).await?;
        let place = Place::of(world, &nodes, name).await?;
        let node = &place.node;
        let to = match parameters.to.as_str() {
            "" => before::noted(world, &place).await?,
            text => named(text)?,
        };
        let from = possible(node.role, &node.version, to)?;
        served(&world.versions, &world.cluster.version().await?.git_version, to)?;
        let repository = Repository::of(world, &minor(to));
        let found = packages(world, &place.record, &repository).await?;
        if !found.available.contains(&to) {
            let text = format!("the repository of {} has no {to}", repository.minor);
            return Err(Coded::new(Code::UPGRADE_TARGET, text).do_this("name a release that is there"));
        }
        let mut work = Vec::new();
        for kind in ORDER {
            let checked = world.agents.check(&place.record, kind.action(to, &repository)).await?;
            refuse_what_stays(name, &checked, kind == Work::Repository)?;
            if kind == Work::Configuration && !checked.satisfied {
                clear(name, &checked, Code::UPGRADE_ROLL_BACK)?;
            }
            let changes = listed(&checked);
            work.push(Shown { by_hand: checked.by_hand, changes });
        }
        stored(&Facts {
            host: place.target(),
            uid: node.uid.clone(),
            pool: share_of(node.role, &node.labels, &world.settings.budget).pool,
            foreign_cordon: is_foreign_cordon(node),
            from,
            to,
            evacuation: evacuation(world, name, &parameters.drain).await?,
            repository,
            ours: found.ours,
            work,
            soak_ms: world.settings.upgrade.soak_ms,
        })
    }

    fn plan(&self, params: &Value, stored: &Value) -> Result<Plan<World>, Coded> {
        let (parameters, facts): (Parameters, Facts) = (read(params)?, facts(stored)?);
        let name = facts.host.node.clone();
        let empty = || StaysEmpty {
            node: name.clone(),
            uid: facts.uid.clone(),
            options: parameters.drain.options(),
            drain_by_hand: parameters.drain.by_hand(&name),
        };
        let mut plan = Plan::of(self.name())
            .title(format!("roll back of {name}: {} -> {}", facts.from, facts.to))
            .disrupts()
            .node(&name, &facts.pool);
        plan = facts.evacuation.warnings.iter().fold(plan, |plan, warning| plan.warn(warning.as_str()));
        plan.phase("fetch", |phase| phase.steps(fetch(&facts)))
            .phase("evacuate", |phase| {
                let cordon = Cordon {
                    node: name.clone(),
                    uid: facts.uid.clone(),
                    owner: parameters.actor.clone(),
                    reason: "roll back".to_owned(),
                    foreign: facts.foreign_cordon,
                    for_disruption: true,
                    silent: None,
                };
                phase.step(cordon).step(Drain::new(&name, &parameters.drain, &facts.evacuation))
            })
            .phase("last look", |phase| phase.step(empty()))
            .point_of_no_return("the node's packages change")
            .phase("host", |phase| {
                let steps = ORDER.into_iter().zip(&facts.work).skip(FETCHED).map(|(work, shown)| {
                    let only_if: Vec<Arc<dyn Step<World>>> =
                        if work == Work::Packages { vec![Arc::new(empty())] } else { Vec::new() };
                    Arc::new(HostAction { only_if, ..work.step(&facts, shown) }) as Arc<dyn Step<World>>
                });
                phase.steps(steps)
            })
            .phase("verify", |phase| {
                phase
                    .step(Settled {
                        name: "settled",
                        host: facts.host.clone(),
                        uid: facts.uid.clone(),
                        kubelet: facts.to,
                        master: None,
                        hold: Duration::from_millis(facts.soak_ms.into()),
                    })
                    .step(BackIntoService { node: name.clone(), uid: facts.uid.clone(), foreign: facts.foreign_cordon })
            })
            .build()
    }
}

fn named(text: &str) -> Result<KubernetesVersion, Coded> {
    text.parse().map_err(|error: slipway_types::InvalidVersion| {
        Coded::new(Code::RUN_BAD_PARAMETER, error.to_string()).do_this("--to 1.33.13, the release that it had before")
    })
}

/// Done while the node serves, and taken back if it stays as it is.
fn fetch(facts: &Facts) -> Vec<Arc<dyn Step<World>>> {
    let before = HostAction {
        summary: "packages come from where they came from before".to_owned(),
        ..HostAction::once(
            &facts.host,
            facts.repository.before(facts.ours.as_ref()),
            "set-repository",
            Duration::from_mins(10),
        )
    };
    let steps = ORDER.into_iter().zip(&facts.work).take(FETCHED).map(|(work, shown)| {
        let back = if work == Work::Repository { vec![before.clone()] } else { Vec::new() };
        Arc::new(WithWayBack { action: work.step(facts, shown), back }) as Arc<dyn Step<World>>
    });
    steps.collect()
}

/// What the node has now, if it may go back to `to`.
fn possible(role: NodeRole, version: &str, to: KubernetesVersion) -> Result<KubernetesVersion, Coded> {
    let refused = |text: String, way: &str| Err(Coded::new(Code::UPGRADE_ROLL_BACK, text).do_this(way));
    let Ok(from) = version.parse::<KubernetesVersion>() else {
        return refused(format!("the node reports no version: {version:?}"), "see what its kubelet says");
    };
    if role == NodeRole::ControlPlane {
        let way = "slipway upgrade start again, or take it out and join it anew";
        return refused("a master is never taken back: its control plane has written newer objects".to_owned(), way);
    }
    // One that is half way back has the version already: the run makes the rest of it so.
    if to > from {
        return refused(format!("{to} is newer than {from}, which it has"), "slipway upgrade start goes forward");
    }
    Ok(from)
}

/// A kubelet may be some minors older than the API servers, and no more.
fn served(table: &Table, api_server: &str, to: KubernetesVersion) -> Result<(), Coded> {
    let Ok(server) = api_server.parse::<KubernetesVersion>() else { return Ok(()) };
    let behind = table.kubelet_behind(server.into());
    if Minor::from(server).ahead_of(to.into()) <= i32::from(behind) {
        return Ok(());
    }
    let text = format!("a kubelet of {to} is more than {behind} minors older than the API server, {server}");
    Err(Coded::new(Code::UPGRADE_ROLL_BACK, text).do_this("name a release that the API servers still serve"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn version(text: &str) -> KubernetesVersion {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_worker_goes_back_and_only_to_what_is_served() {
        let refused = |role, has: &str, to: &str| possible(role, has, version(to)).unwrap_err().code;
        assert_eq!(refused(NodeRole::ControlPlane, "v1.34.4", "1.33.13"), Code::UPGRADE_ROLL_BACK);
        assert_eq!(refused(NodeRole::Worker, "v1.33.13", "1.34.4"), Code::UPGRADE_ROLL_BACK);
        assert_eq!(possible(NodeRole::Worker, "v1.34.4", version("1.33.13")).unwrap(), version("1.34.4"));
        let table = Table::embedded().unwrap();
        assert!(served(&table, "v1.34.4", version("1.31.0")).is_ok());
        assert_eq!(served(&table, "v1.35.0", version("1.31.0")).unwrap_err().code, Code::UPGRADE_ROLL_BACK);
    }

    #[test]
    fn the_node_is_empty_before_its_packages_change_and_serves_with_the_old_version_at_the_end() {
        let shown = json!({"by_hand": [], "changes": []});
        let facts = json!({
            "host": {"node": "w1", "host_id": "h", "machine_id": "m"}, "uid": "u", "pool": "workers", "foreign_cordon": false,
            "from": "v1.34.4", "to": "v1.33.13", "repository": {"minor": "1.33", "url": "x", "key": "", "keyring": ""},
            "evacuation": {"pods": 0, "changes": [], "warnings": []}, "work": [shown, shown, shown, shown, shown], "soak_ms": 1,
        });
        let plan = RollBackWorker.plan(&json!({"nodes": ["w1"], "to": "1.33.13"}), &facts).unwrap();
        let ids: Vec<String> = plan.steps().map(|step| step.id().0).collect();
        assert_eq!(
            ids,
            [
                "set-repository-w1",
                "download-packages-w1",
                "cordon-w1",
                "drain-w1",
                "stays-empty-w1",
                "install-packages-w1",
                "roll-back-kubelet-w1",
                "restart-kubelet-w1",
                "settled-w1",
                "back-into-service-w1"
            ]
        );
    }
}
