//! The demo: a worker leaves a simulated cluster while the coordinator is killed and started again in the middle. Coordinator, agents and
//! `slipway` are the real programs, speaking mutual TLS on loopback; only the machines and the API server are simulated.
#![allow(clippy::disallowed_methods, reason = "drives the real programs as a user would, in real time")]

use std::io::IsTerminal;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use slipway_cluster::fake::Pace;
use slipway_e2e::programs::folder;
use slipway_e2e::stage::{Stage, until};

const REMOVE: [&str; 5] = ["node", "remove", "w2", "--delete-emptydir-data", "--force"];

fn pace() -> Pace {
    Pace {
        start: Duration::from_millis(700),
        exit: Duration::from_millis(500),
        detach: Duration::from_millis(300),
        node_grace: Duration::from_secs(40),
        pod_gc: Duration::from_secs(2),
        heartbeat: Duration::from_secs(2),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let began = Instant::now();
    say("A coordinator, five agents and a cluster of one master and four workers, all on this machine ...");
    let mut stage = Stage::set(pace()).await?;
    say(&format!("... are up after {:.1} s. This is what an operator sees:", began.elapsed().as_secs_f32()));
    show(&stage, &["node", "list"])?;
    say("Without the flags that its pods need, w2 stays:");
    let refused = shown(&stage, &REMOVE[..3])?.wait()?;
    ensure!(!refused.success(), "removing w2 without flags was not refused");
    say("With them, it leaves. In the middle of it the coordinator is killed (SIGKILL), and started again.");
    let mut remove = shown(&stage, &[&REMOVE[..], &["--yes"]].concat())?;
    kill_in_the_middle(&mut stage).await?;
    let left = tokio::task::spawn_blocking(move || remove.wait()).await??;
    ensure!(left.success(), "removing w2 failed ({left}); the coordinator said:\n{}", stage.coordinator_log());
    judge(&stage)?;
    show(&stage, &["node", "list"])?;
    show(&stage, &["run", "list", "--all"])?;
    say(&format!("Done in {:.1} s; nothing is left behind.", began.elapsed().as_secs_f32()));
    Ok(())
}

async fn kill_in_the_middle(stage: &mut Stage) -> anyhow::Result<()> {
    let api = stage.api.clone();
    until("the drain has begun", || Ok(api.count("create", "pods/eviction") >= 2)).await?;
    stage.kill_coordinator()?;
    say("*** the coordinator was killed ***");
    tokio::time::sleep(Duration::from_millis(700)).await;
    stage.start_coordinator().await?;
    say("*** and is back, under its next term ***");
    Ok(())
}

/// The outside is asked, not Slipway.
fn judge(stage: &Stage) -> anyhow::Result<()> {
    ensure!(stage.api.object("nodes", "", "w2").is_none(), "Node w2 is still there");
    let deleted = stage
        .api
        .audit()
        .iter()
        .filter(|entry| entry.verb == "delete" && entry.resource == "nodes" && entry.status < 300)
        .count();
    ensure!(deleted == 1, "Node w2 was deleted {deleted} times");
    let machine = stage.machine("w2")?;
    let resets = machine.effects.get("run /usr/bin/kubeadm reset").copied().unwrap_or_default();
    ensure!(resets == 1, "kubeadm reset ran {resets} times on w2: {:?}", machine.effects);
    ensure!(machine.sandboxes.is_empty() && machine.containers.is_empty(), "containers are left on w2");
    say("Judged from outside: Node w2 was deleted once, kubeadm reset ran once, and no container is left on its host.");
    Ok(())
}

fn say(line: &str) {
    let (bold, plain) = if std::io::stdout().is_terminal() { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    println!("\n{bold}# {line}{plain}");
}

fn show(stage: &Stage, arguments: &[&str]) -> anyhow::Result<()> {
    let status = shown(stage, arguments)?.wait()?;
    ensure!(status.success(), "slipway {arguments:?} failed ({status})");
    Ok(())
}

fn shown(stage: &Stage, arguments: &[&str]) -> anyhow::Result<Child> {
    println!("$ slipway {}", arguments.join(" "));
    Command::new(folder()?.join("slipway"))
        .arg("--config")
        .arg(stage.path("cli/config.toml"))
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .context("starting slipway")
}
