//! The agent as a process: everything opened in the order in which it can fail, kept going, and closed again.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::Identity;
use slipway_identity::tls::CurrentIdentity;
use slipway_net::FileAudit;
use slipway_types::{Clock, RandomIds};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::{AgentCore, Setup};
use crate::disk::Disk;
use crate::enrolled::Enrolled;
use crate::exposition::Exposition;
use crate::machine::machine;
use crate::own_thread::OwnThread;
use crate::renew::Renewal;
use crate::service::{self, Wire};
use crate::settings::Settings;
use crate::witness::Audited;
use crate::{outputs, state, supervisor};

/// How long an operation that runs may go on after the agent was told to stop. Long commands outlive the agent anyway.
const PATIENCE: Duration = Duration::from_secs(15);
/// Figures for Prometheus are no older than this.
const FIGURES: Duration = Duration::from_secs(10);

/// Runs until `stop`; then ends in good order.
pub async fn run(
    settings: Settings,
    simulated: Option<PathBuf>,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
) -> Result<(), Coded> {
    let enrolled = Enrolled::load(&Disk::default(), &settings.state_dir).map_err(|error| error.coded())?;
    let folder = settings.state_dir.join(state::IDENTITY);
    let identity = CurrentIdentity::new(Identity::load(&folder)?)?;
    let audit = Arc::new(open_audit(&settings.state_dir)?);
    let core = open_core(&settings, simulated.as_deref(), &enrolled, audit.clone(), clock.clone()).await?;

    let listener = slipway_net::bind(&settings.listen.to_string()).await?;
    let mut registry = slipway_telemetry::registry("slipway-agent");
    registry.register_collector(Box::new(Exposition::new(core.clone(), Some(identity.clone()))));
    let page = slipway_telemetry::MetricsPage::bind(&settings.metrics.to_string(), Arc::new(registry)).await?;
    tell_where(&listener, &page, &enrolled);

    let (tasks, closing) = (TaskTracker::new(), CancellationToken::new());
    let background = |task: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
        let closing = closing.clone();
        tasks.spawn(async move { closing.run_until_cancelled_owned(task).await });
    };
    tasks.spawn(page.serve(closing.clone()));
    let coordinator = settings.coordinator.unwrap_or(enrolled.coordinator);
    background(Box::pin(Renewal { identity: identity.clone(), folder, coordinator, clock: clock.clone() }.run()));
    background(Box::pin(supervisor::signs_of_life()));
    background(Box::pin(keep_figures_fresh(core.clone())));
    let wire = Wire { identity, audit, clock };
    let mut serving = tasks.spawn(service::serve(core.clone(), wire, listener, closing.clone()));

    supervisor::ready(&status(&core));
    let ended = tokio::select! {
        biased;
        ended = &mut serving => Some(ended),
        () = stop => None,
    };
    supervisor::stopping();
    core.stop(PATIENCE).await;
    closing.cancel();
    tasks.close();
    tasks.wait().await;
    match ended {
        None => Ok(()),
        Some(Ok(Err(error))) => Err(error),
        Some(_) => Err(Coded::new(Code::INTERNAL, "the listener ended by itself; the log has the reason")),
    }
}

async fn open_core(
    settings: &Settings,
    simulated: Option<&Path>,
    enrolled: &Enrolled,
    audit: Arc<FileAudit>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<AgentCore>, Coded> {
    let host = machine(simulated, &enrolled.name, &clock)?;
    if simulated.is_none() {
        outputs::prepare(Path::new(outputs::FOLDER))?;
    }
    let setup = Setup::over(host, &settings.state_dir, enrolled.identity(), clock.clone(), Arc::new(RandomIds)).await;
    let mut setup = setup.map_err(|error| error.coded())?;
    if simulated.is_none() {
        setup.source = OwnThread::for_looks_of(setup.source);
    }
    let setup = Setup { record: Arc::new(Audited::new(audit, clock)), observe: settings.observe, ..setup };
    AgentCore::open(setup).await.map_err(|error| error.coded())
}

fn open_audit(state: &Path) -> Result<FileAudit, Coded> {
    let path = state.join(state::AUDIT);
    FileAudit::open(path.clone()).map_err(|error| {
        Coded::new(Code::AGENT_JOURNAL, format!("opening the audit records {}: {error}", path.display()))
            .do_this("see that the disk of the state folder has room and can be written")
    })
}

async fn keep_figures_fresh(core: Arc<AgentCore>) {
    let mut ticks = tokio::time::interval(FIGURES);
    loop {
        ticks.tick().await;
        core.sampler().ask();
    }
}

fn status(core: &AgentCore) -> String {
    let fence = core.seen().fence.map_or_else(|| "no leadership yet".to_owned(), |fence| fence.to_string());
    format!("speaks for host {}, obeys {fence}", core.here().host_id)
}

/// One line that tells where to reach it, also where the ports were chosen by the kernel.
fn tell_where(listener: &tokio::net::TcpListener, page: &slipway_telemetry::MetricsPage, enrolled: &Enrolled) {
    let told = |address: std::io::Result<std::net::SocketAddr>| {
        address.map_or_else(|_| "?".into(), |address| address.to_string())
    };
    let (listen, metrics) = (told(listener.local_addr()), told(page.address()));
    tracing::info!(
        listen,
        metrics,
        host = enrolled.host_id,
        name = enrolled.name,
        cluster = enrolled.cluster,
        "the agent listens"
    );
}
