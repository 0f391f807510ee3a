//! `slipway-lab`: the lab by hand. Brings one up, looks into it, runs tests on it, takes it down.

#![allow(clippy::disallowed_methods, reason = "a test tool: times are real, and only shown")]

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use slipway_lab::{
    Bench, Binaries, Entrance, Etcd, Lab, Missing, Release, Selection, Shape, bench, prebuild, run_in_lanes, run_tests,
};

/// Real Kubernetes on this machine: kubeadm clusters of several systemd hosts.
#[derive(Parser)]
#[command(name = "slipway-lab", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Boot the hosts, make a cluster of them and install Slipway on it
    Up(Up),
    /// Show the hosts and nodes of the lab that is up
    Status,
    /// Open a shell on a host, or run a command there
    Shell {
        /// m1, w1, c1, ...
        host: String,
        /// The command with its arguments; without one, a login shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Bring Slipway on the lab that is up to what is built now
    Install(Programs),
    /// Remove every trace of the lab, also of one that died
    Down,
    /// Run tests; without a name the smoke tests
    Test {
        /// Run the tests, smoke or not, whose name contains this
        name: Option<String>,
        /// Run the full set too
        #[arg(long)]
        all: bool,
        /// Labs that are up at once, each with its share of the tests
        #[arg(long, default_value_t = 1)]
        lanes: u8,
        /// Run the test of this name; may be given again
        #[arg(long, hide = true)]
        exactly: Vec<String>,
        /// Take the lab down at the end
        #[arg(long, hide = true)]
        then_down: bool,
        #[command(flatten)]
        programs: Programs,
    },
    /// Measure what only a real cluster can tell, and print it as JSON for the benchmarks
    Bench {
        /// What
        #[arg(value_enum)]
        what: Bench,
        /// Rounds of ours and the peer's, after one that warms up
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
        pairs: u16,
        /// Take the lab down at the end
        #[arg(long, hide = true)]
        then_down: bool,
        #[command(flatten)]
        programs: Programs,
    },
    /// Build what `up` needs and keep it, without booting anything
    Build {
        /// The release; all of them without it
        #[arg(long, value_enum)]
        kubernetes: Option<Release>,
    },
}

#[derive(Args)]
struct Up {
    /// Hosts of the control plane; with several, an address moves between them
    #[arg(long, default_value_t = 1)]
    masters: u8,
    /// Hosts for pods
    #[arg(long, default_value_t = 2)]
    workers: u8,
    /// Hosts with an agent that are no nodes yet
    #[arg(long, default_value_t = 0)]
    bare: u8,
    /// The release to make the cluster of
    #[arg(long, value_enum, default_value = "1.33")]
    kubernetes: Release,
    /// What the cluster's clients know several masters by
    #[arg(long, value_enum, default_value = "vip")]
    endpoint: Entrance,
    /// Who runs etcd on the masters: kubeadm, or systemd
    #[arg(long, value_enum, default_value = "stacked")]
    etcd: Etcd,
    #[command(flatten)]
    programs: Programs,
}

#[derive(Args)]
struct Programs {
    /// The cargo profile whose programs are installed on the hosts
    #[arg(long, default_value = "dev")]
    profile: String,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("lab: {error:#}");
            // 2: this machine cannot; 1: it went wrong.
            ExitCode::from(if error.downcast_ref::<Missing>().is_some() { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.verb {
        Verb::Up(up) => self::up(&up),
        Verb::Status => status(),
        Verb::Shell { host, command } => shell(&host, &command),
        Verb::Install(programs) => {
            timed("installed", || Lab::open()?.install(&Binaries::of_profile(&programs.profile)?))
        }
        Verb::Down => timed("down", Lab::down),
        Verb::Test { name, all, lanes, exactly, then_down, programs } => {
            let selection = Selection { name, all, exactly };
            let summary = match lanes {
                1 => run_tests(&selection, &Binaries::of_profile(&programs.profile)?)?,
                several => run_in_lanes(&selection, several, &programs.profile)?,
            };
            if then_down {
                Lab::down()?;
            }
            Ok(if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Verb::Bench { what, pairs, then_down, programs } => {
            let measured = bench(what, pairs.into(), &Binaries::of_profile(&programs.profile)?);
            if then_down {
                Lab::down()?;
            }
            println!("{}", measured?);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Build { kubernetes } => timed("built", || {
            let wanted = kubernetes.map_or(Release::ALL.to_vec(), |one| vec![one]);
            wanted.into_iter().try_for_each(prebuild)
        }),
    }
}

fn up(up: &Up) -> Result<ExitCode> {
    let shape = Shape {
        masters: up.masters,
        workers: up.workers,
        bare: up.bare,
        release: up.kubernetes,
        entrance: up.endpoint,
        etcd: up.etcd,
        fresh: true,
    };
    let binaries = Binaries::of_profile(&up.programs.profile)?;
    timed("up", || Lab::up(shape, &binaries).map(|_| ()))
}

fn status() -> Result<ExitCode> {
    let lab = Lab::open()?;
    if !lab.is_whole()? {
        println!("half-made, or left by a test that failed: good for a look, and for `down`\n");
    }
    for host in lab.hosts() {
        let power = if host.is_up() { "up" } else { "off" };
        println!("{:4} {:12} {power}", host.name(), host.address());
    }
    print!("\n{}", lab.kubectl(&["get", "nodes", "-o", "wide"])?);
    Ok(ExitCode::SUCCESS)
}

fn shell(host: &str, command: &[String]) -> Result<ExitCode> {
    let lab = Lab::open()?;
    let mut words: Vec<&str> = command.iter().map(String::as_str).collect();
    if words.is_empty() {
        words = vec!["bash", "--login"];
    }
    let code = lab.host(host)?.interact(&words)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}

fn timed(what: &str, work: impl FnOnce() -> Result<()>) -> Result<ExitCode> {
    let start = Instant::now();
    work()?;
    println!("{what} ({:.1} s)", start.elapsed().as_secs_f32());
    Ok(ExitCode::SUCCESS)
}
