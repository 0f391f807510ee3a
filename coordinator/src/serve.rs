//! Brings the parts of a coordinator together, serves, and takes them apart again in the right order.

use std::sync::Arc;
use std::time::Duration;

use slipway_cluster::{ClusterApi, OpenGate};
use slipway_coordinator::agents::GrpcAgents;
use slipway_coordinator::api::{Parts, routes};
use slipway_coordinator::boot::{Coordinator, Foundation};
use slipway_coordinator::enrolment::Enrolment;
use slipway_coordinator::fleet::Watcher;
use slipway_coordinator::gate::quiet;
use slipway_coordinator::reconcilers::ReturnedHosts;
use slipway_coordinator::settings::Settings;
use slipway_coordinator::snapshot::Backups;
use slipway_coordinator::versions::Table;
use slipway_errors::{Code, Coded};
use slipway_identity::init::{authority, coordinator_identity};
use slipway_identity::tls::{ClientCertificate, CurrentIdentity};
use slipway_net::{Audit, Connector, Door, FileAudit};
use slipway_store::{Leadership, Store};
use slipway_types::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::own::{Own, renew_of_store};
use crate::waiting::{Waiting, bind};
use crate::{metrics, own};

/// Between two looks at whether our own certificate has to be renewed.
const RENEWAL: Duration = Duration::from_mins(10);

/// Before the store is told again that did not answer.
const SETTLE_AGAIN: Duration = Duration::from_secs(2);

/// Whether the same start may go well later without anybody doing anything.
pub(crate) fn may_pass(error: &Coded) -> bool {
    [
        Code::STORE_IN_USE,
        Code::STORE_FULL,
        Code::AUDIT_LOST,
        Code::STORE_IO,
        Code::STORE_STALE_TERM,
        Code::STORE_AWAY,
        Code::KUBE_UNREACHABLE,
        Code::WIRE_UNREACHABLE,
    ]
    .contains(&error.code)
}

fn internal(what: &str, error: &dyn std::fmt::Display) -> Coded {
    Coded::new(Code::INTERNAL, format!("{what}: {error}"))
}

/// Moves everything to another store, and ends.
pub(crate) fn move_store(settings: &Settings, url: &str) -> Result<(), Coded> {
    block_on(own::move_store(settings, url))
}

/// Does something to the members of the store's etcd, and ends.
pub(crate) fn care(settings: &Settings, care: &Care) -> Result<(), Coded> {
    block_on(async {
        match care {
            Care::Admit(member) => own::admit_member(settings, member).await,
            Care::Dismiss(name) => own::dismiss_member(settings, name).await,
            Care::Tidy => own::tidy(settings).await,
        }
    })
}

/// What can be done to the members of the store's etcd.
pub(crate) enum Care {
    Admit(String),
    Dismiss(String),
    Tidy,
}

/// Tells the store that this host's coordinator has ended.
pub(crate) fn gone(settings: &Settings) -> Result<(), Coded> {
    block_on(own::resign(settings))
}

/// Runs a coordinator until a signal or the loss of its leadership.
pub(crate) fn start(settings: Settings, versions: Table, accept_old_copy: bool) -> Result<(), Coded> {
    slipway_telemetry::init("slipway-coordinator", slipway_telemetry::Verbosity::of_daemon(0))
        .map_err(|error| internal("logging", &error))?;
    block_on(run(settings, Arc::new(versions), accept_old_copy))
}

fn block_on<T>(work: impl Future<Output = Result<T, Coded>>) -> Result<T, Coded> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| internal("the runtime", &error))?.block_on(work)
}

/// How a leadership came to an end.
enum Ended {
    /// This process is to end.
    Stopped,
    /// Another coordinator is to lead, or leads already: this one waits for its turn again.
    OthersTurn(Arc<dyn Store>),
}

async fn run(settings: Settings, versions: Arc<Table>, accept_old_copy: bool) -> Result<(), Coded> {
    let own = Own::load(&settings)?;
    let signals = TaskTracker::new();
    let told_to_stop = told_to_stop(&signals);
    let mut given_up = None;
    loop {
        let waiting = Waiting::begin(&settings, &own).await?;
        let coming = come_to_lead(&settings, &versions, &own, (&waiting, given_up), accept_old_copy);
        let leading = match told_to_stop.run_until_cancelled(coming).await {
            None => return Ok(()),
            Some(leading) => leading?,
        };
        waiting.end();
        match see_through(&settings, &own, leading, &told_to_stop).await? {
            Ended::Stopped => return Ok(()),
            Ended::OthersTurn(store) => given_up = Some(store),
        }
    }
}

/// What keeps one of several from leading, and passes.
const PASSES: [Code; 3] = [Code::STORE_CONFLICT, Code::STORE_AWAY, Code::STORE_FULL];

/// Waits for its turn, and takes it.
async fn come_to_lead(
    settings: &Settings,
    versions: &Arc<Table>,
    own: &Own,
    (waiting, given_up): (&Waiting, Option<Arc<dyn Store>>),
    accept_old_copy: bool,
) -> Result<Leading, Coded> {
    let store = match given_up {
        Some(store) => {
            waiting.let_others_first(&store).await;
            store
        }
        None => waiting.open(settings, own).await?,
    };
    loop {
        let live = waiting.for_vacancy(&store).await?;
        match lead(settings, versions.clone(), own, (store.clone(), live), accept_old_copy).await {
            Err(error) if settings.may_be_several() && PASSES.contains(&error.code) => waiting.again(error).await,
            leading => return leading,
        }
    }
}

/// Leads until that is over.
async fn see_through(
    settings: &Settings,
    own: &Own,
    leading: Leading,
    told_to_stop: &CancellationToken,
) -> Result<Ended, Coded> {
    let (stop, tasks, calls) = (CancellationToken::new(), TaskTracker::new(), TaskTracker::new());
    let served = serve(settings, own, &leading, (&stop, told_to_stop), (&tasks, &calls)).await;
    stop.cancel();
    let Coordinator { runs, leadership, .. } = leading.coordinator;
    runs.runner.stop().await;
    tasks.close();
    tasks.wait().await;
    // Nothing of this leadership is at work any more: whoever waits for it need not wait until its lease has run out.
    let resigned = match &served {
        Ok(_) if !leadership.lost.is_cancelled() => runs.store.resign(&leadership.fence).await,
        _ => Ok(()),
    };
    // Calls under way may take a while to end; what they would still write is fenced.
    calls.close();
    calls.wait().await;
    let over = served?;
    resigned?;
    Ok(match over {
        Over::Told => Ended::Stopped,
        Over::ToAnother | Over::Lost => Ended::OthersTurn(runs.store),
    })
}

pub(crate) fn audit(settings: &Settings) -> Result<Arc<dyn Audit>, Coded> {
    let opened = FileAudit::open(settings.state_dir.join("audit.log"));
    let audit = opened.map_err(|error| {
        Coded::new(Code::AUDIT_LOST, format!("opening it in {}: {error}", settings.state_dir.display()))
    })?;
    Ok(Arc::new(audit))
}

pub(crate) fn door(own: &Own, audit: Arc<dyn Audit>) -> Door {
    let callers = ClientCertificate::Optional { expired_ok: true };
    Door { identity: own.identity.clone(), callers, clock: own.clock.clone(), audit }
}

struct Leading {
    coordinator: Coordinator,
    agents: Arc<GrpcAgents>,
}

async fn lead(
    settings: &Settings,
    versions: Arc<Table>,
    own: &Own,
    (store, store_is_live): (Arc<dyn Store>, bool),
    accept_old_copy: bool,
) -> Result<Leading, Coded> {
    let connector = Connector::new(own.identity.clone(), own.clock.clone());
    let agents = Arc::new(GrpcAgents::new(connector, own.cluster.cluster.clone()));
    let kubernetes = &settings.kubernetes;
    let cluster = ClusterApi::from_kubeconfig(
        &kubernetes.kubeconfig,
        &kubernetes.endpoints,
        Arc::new(OpenGate),
        own.clock.clone(),
    )
    .await?;
    let foundation = Foundation {
        settings: settings.clone(),
        versions,
        cluster_name: own.cluster.cluster.clone(),
        machine_id: own::machine_id(),
        store,
        cluster,
        agents: agents.clone(),
        backups: Arc::new(Backups::new(&settings.state_dir, &own.cluster, own.clock.clone())?),
        holder: format!("{}/{}", own.cluster.coordinator, own.ids.next()),
        address: own.cluster.address.clone(),
        store_is_live,
        accept_old_copy,
        ids: own.ids.clone(),
        clock: own.clock.clone(),
    };
    Ok(Leading { coordinator: foundation.lead().await?, agents })
}

async fn serve(
    settings: &Settings,
    own: &Own,
    leading: &Leading,
    (stop, told_to_stop): (&CancellationToken, &CancellationToken),
    (tasks, calls): (&TaskTracker, &TaskTracker),
) -> Result<Over, Coded> {
    let Coordinator { world, runs, leadership } = &leading.coordinator;
    let enrolment = Arc::new(Enrolment {
        cluster: own.cluster.cluster.clone(),
        authority: Arc::new(authority(&settings.state_dir)?),
        store: runs.store.clone(),
        hosts: world.hosts.clone(),
        fence: leadership.fence.clone(),
        validity: Duration::from_secs(3600 * u64::from(settings.certificates.agent_hours)),
        ids: own.ids.clone(),
        clock: own.clock.clone(),
    });
    let watcher = Watcher {
        hosts: world.hosts.clone(),
        fleet: world.fleet.clone(),
        agents: leading.agents.clone(),
        interval_ms: settings.agents.heartbeat_ms,
    };
    tasks.spawn(watcher.run(tasks.clone(), stop.clone()));
    tasks.spawn(renew(own.identity.clone(), settings.state_dir.clone(), own.clock.clone(), stop.clone()));
    tasks.spawn(raise_everywhere(leading.coordinator.world.clone()));
    tasks.spawn(settle(runs.store.clone(), leadership.clone(), stop.clone()));
    let returned = ReturnedHosts { world: world.clone(), runs: runs.clone() };
    tasks.spawn(returned.run(stop.clone()));
    metrics::serve(settings, world.clone(), runs.clone(), tasks, stop).await?;
    let audit = audit(settings)?;
    let parts = Parts {
        world: world.clone(),
        runs: runs.clone(),
        enrolment,
        ca_hash: own.cluster.ca_hash.clone(),
        audit: audit.clone(),
    };
    let routes = routes(&parts).map_err(|error| internal("gRPC reflection", &error))?;
    let door = door(own, audit);
    let listener = bind(settings).await?;
    tracing::info!(listen = %settings.listen, fence = %leadership.fence, "leading");
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    let gate = door.gate();
    // A task of its own: whoever is served when the leadership ends is told so, instead of being left with a connection that says nothing more.
    let serving = calls.spawn(slipway_net::serve(listener, door, gate, routes, stop.clone()));
    tokio::select! {
        served = serving => {
            let served = served.map_err(|error| internal("serving", &error))?;
            served.map(|()| Over::Told).map_err(Coded::from)
        }
        () = told_to_stop.cancelled() => Ok(Over::Told),
        () = world.fellows.handing_over() => Ok(Over::ToAnother),
        () = leadership.lost.cancelled() => lost(settings),
        why = runs.runner.fenced() => Err(why),
    }
}

/// Why it serves no longer.
enum Over {
    Told,
    ToAnother,
    Lost,
}

/// What only one process can have open is lost to somebody who should not be there.
fn lost(settings: &Settings) -> Result<Over, Coded> {
    if !settings.may_be_several() {
        return Err(Coded::new(Code::STORE_STALE_TERM, "another coordinator leads now"));
    }
    tracing::warn!("another coordinator leads now, or the store's etcd did not answer in time");
    Ok(Over::Lost)
}

/// Tells every agent of the new leadership at once, so that nothing of an older one is obeyed while no run needs them.
async fn raise_everywhere(world: Arc<slipway_coordinator::world::World>) {
    match world.hosts.list().await {
        Ok(hosts) => {
            for (host, error) in world.barrier.raise(&hosts).await {
                tracing::warn!(host = %host.name, %error, "could not be told of this leadership yet");
            }
        }
        Err(error) => tracing::warn!(%error, "cannot read the list of hosts"),
    }
}

/// Once those before cannot be at work any more, the store is told, so that the next leader need not wait for them.
async fn settle(store: Arc<dyn Store>, leadership: Leadership, stop: CancellationToken) {
    let told = async {
        tokio::time::sleep(quiet(&leadership)).await;
        while let Err(error) = store.settle(&leadership.fence).await {
            tracing::debug!(%error, "the store is not told yet that this leadership has outlived the one before");
            tokio::time::sleep(SETTLE_AGAIN).await;
        }
    };
    if leadership.before_may_act {
        stop.run_until_cancelled(told).await;
    }
}

pub(crate) async fn renew(
    identity: Arc<CurrentIdentity>,
    folder: std::path::PathBuf,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(RENEWAL)).await.is_some() {
        let renewed = coordinator_identity(&folder, clock.as_ref())
            .map_err(Coded::from)
            .and_then(|fresh| Ok(identity.swap(fresh)?))
            .and_then(|()| renew_of_store(&folder, clock.as_ref()));
        if let Err(error) = renewed {
            tracing::error!(%error, "the coordinator's own certificate cannot be renewed");
        }
    }
}

/// Cancelled once systemd, or a person at a terminal, wants this process to end.
fn told_to_stop(tasks: &TaskTracker) -> CancellationToken {
    let told = CancellationToken::new();
    if let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        let told = told.clone();
        tasks.spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
            told.cancel();
        });
    }
    told
}
