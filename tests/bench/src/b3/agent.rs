//! The agent's own program on this very host: enrolled in a cluster that exists only here, told to change nothing, and asked for a heartbeat
//! each second as a coordinator would.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, ensure};
use slipway_agent::disk::Disk;
use slipway_agent::enrolled::Enrolled;
use slipway_agent::{fence::kept, state};
use slipway_coordinator::agents::{Agents as _, GrpcAgents, Messages};
use slipway_coordinator::fleet::{HostRecord, HostState};
use slipway_net::Connector;
use slipway_proto::agent::WatchResponse;
use slipway_types::{Fence, Lineage, Role, SystemClock, Term};
use tempfile::TempDir;

use crate::authority::{self, CLUSTER};

const HOST: &str = "h1";
const PATIENCE: Duration = Duration::from_secs(20);
/// Milliseconds between heartbeats.
const EVERY: u32 = 1_000;

/// The program at work.
pub(super) struct Agent {
    child: Child,
    /// Where its page for Prometheus is.
    pub(super) page: String,
    /// Its heartbeats.
    pub(super) beats: Messages<WatchResponse>,
    _folder: TempDir,
}

impl Agent {
    /// Starts it, and opens its stream of heartbeats.
    pub(super) async fn start(scratch: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new_in(scratch)?;
        let authority = authority::create()?;
        enrol(&authority, folder.path())?;
        let (child, listen, page) = start(folder.path())?;
        let connector = Connector::new(authority::current(&authority, Role::Coordinator, "c1")?, Arc::new(SystemClock));
        let agents = GrpcAgents::new(connector, CLUSTER.to_owned());
        let host = HostRecord {
            id: HOST.into(),
            name: HOST.to_owned(),
            address: listen,
            machine_id: String::new(),
            enrolled_ms: 0,
            state: HostState::InService,
            kubelet_credential: None,
        };
        let mut started = Self { child, page, beats: Box::pin(futures::stream::empty()), _folder: folder };
        started.beats = agents.watch(&host, EVERY).await?;
        Ok(started)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an enrolment would have left.
fn enrol(authority: &slipway_identity::Authority, folder: &Path) -> anyhow::Result<()> {
    let disk = Disk::default();
    let enrolled = Enrolled {
        version: 1,
        cluster: CLUSTER.to_owned(),
        host_id: HOST.to_owned(),
        name: HOST.to_owned(),
        address: "127.0.0.1:7443".to_owned(),
        coordinator: "127.0.0.1:1".to_owned(),
    };
    enrolled.save(&disk, folder)?;
    authority::identity(authority, Role::Agent, HOST)?.save(&folder.join(state::IDENTITY))?;
    let fence = Fence { lineage: Lineage(CLUSTER.to_owned()), term: Term(1), holder: "c1/bench".to_owned() };
    Ok(kept::replace(&disk, folder, Some(&fence))?)
}

/// The process, and where it listens and shows its page.
fn start(folder: &Path) -> anyhow::Result<(Child, String, String)> {
    let here = std::env::current_exe()?;
    let program = here.with_file_name("slipway-agent");
    ensure!(program.is_file(), "{} is missing: cargo build --release -p slipway-agent", program.display());
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--config-dir", "/nonexistent", "--observe"]);
    command.arg("--state-dir").arg(folder).env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET");
    let mut child = command.env("SLIPWAY_LOG", "info").stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let lines = BufReader::new(child.stderr.take().context("an agent without a log")?).lines();
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            // Whoever waited has what it needs; the rest is read so that the agent never waits for us.
            let _ = say.send(line);
        }
    });
    let mut log = Vec::new();
    while let Ok(line) = said.recv_timeout(PATIENCE) {
        if let (Some(listen), Some(page)) = (quoted(&line, "listen"), quoted(&line, "metrics")) {
            return Ok((child, listen, page));
        }
        log.push(line);
    }
    let _ = child.kill();
    anyhow::bail!("the agent does not say where it listens:\n{}", log.join("\n"))
}

fn quoted(line: &str, key: &str) -> Option<String> {
    line.split(&format!("{key}=\"")).nth(1)?.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_the_log() {
        let line = r#"INFO the agent listens listen="127.0.0.1:1" metrics="127.0.0.1:2" host="h1""#;
        assert_eq!(quoted(line, "metrics").as_deref(), Some("127.0.0.1:2"));
        assert_eq!(quoted(line, "address"), None);
    }
}
