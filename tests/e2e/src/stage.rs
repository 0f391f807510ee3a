//! A cluster for people to look at: real programs as processes, mutual TLS on loopback, simulated hosts and a simulated API server in this
//! process. Everything lies in one temporary folder and goes with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use slipway_cluster::fake::{FakeApiServer, HttpServer, Pace};
use slipway_host::fake::State;
use slipway_types::SystemClock;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::programs::{Program, free_address, well};
use crate::workload;

/// How long anything may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// All of it.
pub struct Stage {
    /// The cluster.
    pub api: FakeApiServer,
    folder: TempDir,
    coordinator: Option<Program>,
    address: SocketAddr,
    agents: Vec<Program>,
    keep_in_step: JoinHandle<()>,
    _serving: HttpServer,
}

impl Stage {
    /// Sets everything up: authority, coordinator, five enrolled agents.
    pub async fn set(pace: Pace) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let api = FakeApiServer::new(Arc::new(SystemClock));
        workload::fill(&api, pace, workload::NODES);
        let serving = api.listen(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        serving.write_kubeconfig(&folder.path().join("kubeconfig"))?;
        let keep_in_step = tokio::spawn(keep_in_step(api.clone(), folder.path().to_owned()));
        let address = free_address()?;
        let mut stage =
            Self { api, folder, coordinator: None, address, agents: Vec::new(), keep_in_step, _serving: serving };
        stage.init()?;
        stage.start_coordinator().await?;
        for (name, _) in workload::NODES {
            stage.enrol(name)?;
        }
        stage.all_heard().await?;
        Ok(stage)
    }

    /// A path in the stage's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `slipway` to its end; fails with what it said if it does.
    pub fn ask(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let config = self.text("cli/config.toml");
        well("slipway", &[&["--config", config.as_str()], arguments].concat())
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn init(&self) -> anyhow::Result<()> {
        std::fs::write(self.path("passphrase"), "only for the demo, never kept\n")?;
        std::fs::create_dir_all(self.path("cli"))?;
        let (state, address) = (self.text("coordinator"), self.address.to_string());
        let (export, passphrase) = (self.text("export"), self.text("passphrase"));
        self.ask(&[
            "init",
            "--dir",
            &state,
            "--cluster",
            "demo",
            "--address",
            &address,
            "--export",
            &export,
            "--passphrase-file",
            &passphrase,
        ])?;
        std::fs::create_dir_all(self.path("coordinator.d"))?;
        let settings = format!(
            "listen = {:?}\nmetrics = {:?}\nstate-dir = {state:?}\n[kubernetes]\nkubeconfig = {:?}\n[agents]\nheartbeat-ms = 250\n",
            self.address.to_string(),
            free_address()?.to_string(),
            self.text("kubeconfig"),
        );
        Ok(std::fs::write(self.path("coordinator.d/demo.toml"), settings)?)
    }

    /// Starts the coordinator and waits until it answers.
    pub async fn start_coordinator(&mut self) -> anyhow::Result<()> {
        let folder = self.text("coordinator.d");
        let mut program =
            Program::start("slipway-coordinator", &["--config-dir", &folder], &self.path("coordinator.log"))?;
        let address = self.address;
        until("the coordinator answers", || {
            program.must_run()?;
            Ok(std::net::TcpStream::connect(address).is_ok())
        })
        .await?;
        self.coordinator = Some(program);
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_coordinator(&mut self) -> anyhow::Result<()> {
        self.coordinator.take().context("no coordinator runs")?.kill()
    }

    fn enrol(&mut self, name: &str) -> anyhow::Result<()> {
        let made = self.ask(&["token", "create", "--host", name, "-o", "json"])?;
        let made: serde_json::Value = serde_json::from_str(&made)?;
        let (token, hash) = (made["token"].as_str().context("no token")?, made["ca_hash"].as_str().context("no hash")?);
        let (coordinator, address, metrics) =
            (self.address.to_string(), free_address()?.to_string(), free_address()?.to_string());
        let (state, machine) = (self.text(&format!("agent-{name}")), self.text(&format!("host-{name}")));
        let simulated = ["--simulated", machine.as_str(), "--state-dir", state.as_str()];
        let enrol = [
            "enrol",
            "--coordinator",
            &coordinator,
            "--token",
            token,
            "--ca-hash",
            hash,
            "--name",
            name,
            "--address",
            &address,
        ];
        well("slipway-agent", &[&enrol[..], &simulated[..]].concat())?;
        let run = ["run", "--listen", &address, "--metrics", &metrics];
        let log = self.path(&format!("agent-{name}.log"));
        self.agents.push(Program::start("slipway-agent", &[&run[..], &simulated[..]].concat(), &log)?);
        Ok(())
    }

    async fn all_heard(&mut self) -> anyhow::Result<()> {
        for agent in &mut self.agents {
            agent.must_run()?;
        }
        let config = self.text("cli/config.toml");
        until("all agents are heard", || {
            let list = well("slipway", &["--config", config.as_str(), "host", "list", "-o", "json"])?;
            let list: serde_json::Value = serde_json::from_str(&list)?;
            let hosts = list["hosts"].as_array().or(list.as_array()).cloned().unwrap_or_default();
            Ok(hosts.len() == workload::NODES.len()
                && hosts.iter().all(|host| host["heartbeat_age_ms"].as_i64().is_some_and(|age| age >= 0)))
        })
        .await
    }

    /// The simulated host of that name, as it is on its disk.
    pub fn machine(&self, name: &str) -> anyhow::Result<State> {
        state_of(self.folder.path(), name).with_context(|| format!("no host {name}"))
    }

    /// The end of the coordinator's log.
    pub fn coordinator_log(&self) -> String {
        std::fs::read_to_string(self.path("coordinator.log")).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.keep_in_step.abort();
    }
}

fn state_of(folder: &Path, name: &str) -> Option<State> {
    let text = std::fs::read(folder.join(format!("host-{name}/host.json"))).ok()?;
    serde_json::from_slice(&text).ok()
}

/// What a kubelet says depends on its host, which another process simulates: its disk is looked at.
async fn keep_in_step(api: FakeApiServer, folder: PathBuf) {
    let (wire, mut seen) = (crate::link::Wire::default(), BTreeMap::new());
    loop {
        for (name, _) in workload::NODES {
            let changed =
                std::fs::metadata(folder.join(format!("host-{name}/host.json"))).and_then(|file| file.modified()).ok();
            if changed.is_some()
                && seen.insert(name, changed) != Some(changed)
                && let Some(state) = state_of(&folder, name)
            {
                wire.tell(&api, name, crate::says::Says::of(&state));
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until `is` says yes; fails with `what` when our patience ends.
pub async fn until(what: &str, mut is: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match is() {
            Ok(true) => return Ok(()),
            Ok(false) if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK_AGAIN).await,
            Ok(false) => bail!("{what}: not within {} s", PATIENCE.as_secs()),
            Err(error) if began.elapsed() < PATIENCE => {
                tracing::debug!(%error, what, "not yet");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(error.context(what.to_owned())),
        }
    }
}
