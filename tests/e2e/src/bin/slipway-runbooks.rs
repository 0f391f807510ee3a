//! Prints the runbooks in docs/ from the plans that the flows make on the simulated cluster, or checks that they are what stands there.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::{Value, json};
use slipway_coordinator::boot::Coordinator;
use slipway_e2e::sites::Sites;
use slipway_e2e::upgrades::{masters_done, worker_done};
use slipway_events::Actor;
use slipway_flow::runbook::markdown;

/// Writes docs/runbooks.
#[derive(Parser)]
struct Arguments {
    /// Changes nothing; fails if a runbook is not what its flow's plan says.
    #[arg(long)]
    check: bool,
    /// docs/runbooks.
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let sites = Sites::build().await?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    sites.settled().await?;
    let flows = [
        ("isolate", "isolate", json!({"nodes": ["w1"], "reason": "disk trouble"})),
        ("drain", "drain", json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true})),
        ("scale-in", "scale-in", json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true})),
        ("scale-in-of-a-master", "scale-in", json!({"nodes": ["m1"], "accept_less_tolerance": true})),
        ("scale-in-unreachable", "scale-in-unreachable", json!({"nodes": ["w3"], "fenced": "w3 is powered off"})),
    ];
    std::fs::create_dir_all(&arguments.folder)?;
    for (name, flow, params) in flows {
        sites.silence("w3", flow == "scale-in-unreachable");
        keep(&arguments, &coordinator, (name, flow, &params)).await?;
    }
    let sites = Sites::build().await?;
    sites.bare("w2").await?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    let join = json!({"nodes": ["w2"], "role": "worker", "kubernetes": "1.33.13"});
    keep(&arguments, &coordinator, ("join", "join", &join)).await?;
    let sites = Sites::build().await?;
    sites.waiting_master("m2").await?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    let join = json!({"nodes": ["m2"], "role": "control-plane", "kubernetes": "1.33.13"});
    keep(&arguments, &coordinator, ("join-of-a-master", "join", &join)).await?;
    upgrades(&arguments).await?;
    let sites = Sites::build().await?;
    sites.etcd_under_systemd()?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    let params = json!({"nodes": ["m3"], "on": "w1"});
    keep(&arguments, &coordinator, ("replace-etcd-member", "replace-etcd-member", &params)).await
}

/// A whole cluster forward, and one worker back.
async fn upgrades(arguments: &Arguments) -> anyhow::Result<()> {
    let sites = Sites::build().await?;
    let coordinator = sites.coordinator(sites.store()?).await?;
    sites.settled().await?;
    let forward = json!({"target": "1.34.4", "delete_emptydir_data": true, "force": true});
    keep(arguments, &coordinator, ("upgrade", "upgrade", &forward)).await?;
    let sites = Sites::build().await?;
    masters_done(&sites, &["m1", "m2", "m3"]);
    worker_done(&sites, "w2");
    let coordinator = sites.coordinator(sites.store()?).await?;
    sites.settled().await?;
    let back = json!({"nodes": ["w2"], "delete_emptydir_data": true, "force": true});
    keep(arguments, &coordinator, ("roll-back-worker", "roll-back-worker", &back)).await
}

/// Writes one runbook, or checks it.
async fn keep(
    arguments: &Arguments,
    coordinator: &Coordinator,
    (name, flow, params): (&str, &str, &Value),
) -> anyhow::Result<()> {
    let view = coordinator.runs.plan(flow, params, &Actor("operator/alice".to_owned())).await?;
    let (file, text) = (arguments.folder.join(format!("{name}.md")), markdown(&view));
    if arguments.check {
        let stands = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        ensure!(stands == text, "{} is not what the plan of {flow} says: cargo xtask runbooks", file.display());
    } else {
        std::fs::write(&file, text)?;
    }
    Ok(())
}
