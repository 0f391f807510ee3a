//! `slipway-agent`: from the command line to the one thing that is to be done.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use slipway_agent::args::{Command, FenceVerb, Options, Verb};
use slipway_agent::local::Found;
use slipway_agent::settings::{FOLDERS, Settings};
use slipway_agent::{daemon, local};
use slipway_errors::{Code, Coded};
use slipway_telemetry::Verbosity;
use slipway_types::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let command = Command::parse();
    let runs = matches!(command.verb, None | Some(Verb::Run)) && !command.options.print_config;
    let verbosity = if runs {
        Verbosity::of_daemon(command.options.verbose)
    } else {
        Verbosity::of_command(command.options.verbose)
    };
    let done = slipway_telemetry::init("slipway-agent", verbosity).map_err(Coded::from).and_then(|()| {
        let reactor = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let reactor = reactor.map_err(|error| Coded::new(Code::INTERNAL, format!("starting the reactor: {error}")))?;
        reactor.block_on(act(command))
    });
    done.unwrap_or_else(|error| {
        eprintln!("slipway-agent: {error}");
        ExitCode::FAILURE
    })
}

async fn act(command: Command) -> Result<ExitCode, Coded> {
    let settings = settings(&command.options)?;
    let mut out = std::io::stdout();
    if command.options.print_config {
        print!("{}", settings.to_toml()?);
        return Ok(ExitCode::SUCCESS);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let simulated = command.options.simulated;
    match command.verb.unwrap_or(Verb::Run) {
        Verb::Run => daemon::run(settings, simulated, clock, told_to_stop()?).await?,
        Verb::Enrol(args) => local::join(args, &settings, simulated.as_deref(), clock, &mut out).await?,
        Verb::Fence { verb: FenceVerb::Show } => local::show_fence(&settings, &mut out)?,
        Verb::Fence { verb: FenceVerb::Reset { yes } } => local::reset_fence(&settings, yes, clock.as_ref(), &mut out)?,
        Verb::Check(args) => {
            return Ok(match local::check(&args, simulated.as_deref(), clock, &mut out).await? {
                Found::Nothing => ExitCode::SUCCESS,
                Found::Work => ExitCode::from(3),
                Found::Obstacle => ExitCode::from(4),
            });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(options: &Options) -> Result<Settings, Coded> {
    let usual = || FOLDERS.map(Into::into).to_vec();
    let mut settings =
        Settings::load(&if options.config_dir.is_empty() { usual() } else { options.config_dir.clone() })?;
    if let Some(listen) = options.listen {
        settings.listen = listen;
    }
    if let Some(metrics) = options.metrics {
        settings.metrics = metrics;
    }
    if let Some(state) = &options.state_dir {
        settings.state_dir.clone_from(state);
    }
    settings.observe |= options.observe;
    settings.validated()
}

fn told_to_stop() -> Result<impl Future<Output = ()>, Coded> {
    let listen =
        |kind| signal(kind).map_err(|error| Coded::new(Code::INTERNAL, format!("listening for signals: {error}")));
    let (mut end, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = end.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
