//! `slipway-vip-guard`: from the command line to the one thing that is to be done.

use std::process::ExitCode;

use clap::Parser;
use slipway_errors::{Code, Coded};
use slipway_guard::args::{Command, Options, Verb, WriteArgs};
use slipway_guard::settings::{FOLDERS, Settings};
use slipway_guard::told::Told;
use slipway_guard::write::{Wrote, write};
use slipway_guard::{conf, daemon};
use slipway_host::{Host, Profiles};
use slipway_telemetry::Verbosity;
use slipway_types::{Clock, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

const TOO_OLD: u8 = 3;
/// Nothing to run with: a restart would not mend it.
const NO_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let command = Command::parse();
    // Each second, so with nothing around it.
    if let Some(Verb::Check { run_dir }) = &command.verb {
        let believed = Told::at(run_dir).word().may_be_believed(SystemClock.since_boot());
        return if believed { ExitCode::SUCCESS } else { ExitCode::from(TOO_OLD) };
    }
    let runs = matches!(command.verb, None | Some(Verb::Run)) && !command.options.print_config;
    let verbosity = if runs {
        Verbosity::of_daemon(command.options.verbose)
    } else {
        Verbosity::of_command(command.options.verbose)
    };
    let done = slipway_telemetry::init("slipway-vip-guard", verbosity).map_err(Coded::from).and_then(|()| {
        let reactor = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let reactor = reactor.map_err(|error| Coded::new(Code::INTERNAL, format!("starting the reactor: {error}")))?;
        reactor.block_on(act(command))
    });
    done.unwrap_or_else(|error| {
        eprintln!("slipway-vip-guard: {error}");
        ExitCode::FAILURE
    })
}

async fn act(command: Command) -> Result<ExitCode, Coded> {
    let host = Host::linux(Profiles::default());
    let settings = match settings(&command.options, &host).await {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("slipway-vip-guard: {error}");
            return Ok(ExitCode::from(NO_SETTINGS));
        }
    };
    if command.options.print_config {
        print!("{}", settings.to_toml()?);
        return Ok(ExitCode::SUCCESS);
    }
    match command.verb.unwrap_or(Verb::Run) {
        Verb::Run => daemon::run(&settings, &host, &SystemClock, told_to_stop()?).await.map(|()| ExitCode::SUCCESS),
        Verb::Check { .. } | Verb::Status => status(&settings),
        Verb::Write(args) => put(&args, &settings, &host).await,
    }
}

async fn settings(options: &Options, host: &Host) -> Result<Settings, Coded> {
    let usual = || FOLDERS.map(Into::into).to_vec();
    let folders = if options.config_dir.is_empty() { usual() } else { options.config_dir.clone() };
    let machine = host.identity.identity().await.map_err(|error| error.coded())?;
    Settings::load(&folders)?.validated(&machine.hostname)
}

fn status(settings: &Settings) -> Result<ExitCode, Coded> {
    let told = Told::at(&settings.run_dir);
    let Some(shown) = told.shown() else {
        println!("the guard has said nothing since the boot: `systemctl status slipway-vip-guard`");
        return Ok(ExitCode::from(TOO_OLD));
    };
    let text = serde_json::to_string(&shown);
    println!("{}", text.map_err(|error| Coded::new(Code::INTERNAL, format!("showing it: {error}")))?);
    Ok(if shown.is_fresh(SystemClock.since_boot()) { ExitCode::SUCCESS } else { ExitCode::from(TOO_OLD) })
}

async fn put(args: &WriteArgs, settings: &Settings, host: &Host) -> Result<ExitCode, Coded> {
    if args.dry_run {
        print!("{}", conf::render(settings)?);
        let before = std::fs::read_to_string(&settings.keepalived_conf).unwrap_or_default();
        for objection in conf::objections(&before, settings).iter().filter(|_| !before.is_empty()) {
            eprintln!("against it: {objection}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    match write(host, settings, args.anew).await? {
        Wrote::Nothing => println!("{} stands there already", settings.keepalived_conf.display()),
        Wrote::New { kept, read } => {
            println!("wrote {}", settings.keepalived_conf.display());
            if let Some(kept) = kept {
                println!("the one before is {}", kept.display());
            }
            println!(
                "keepalived {}",
                if read { "goes on with it" } else { "does not run: systemctl enable --now keepalived" }
            );
        }
    }
    Ok(ExitCode::SUCCESS)
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
