//! An etcd of three members on the loopback, each with its folder on the disk that counts, and synced as always.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use etcd_client::Client;
use tempfile::TempDir;

const COUNT: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// A member that has lost its leader keeps a question for seconds; one that is asked again may answer before.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// A write that takes so long may be one that nobody is left to answer.
const SLOW: Duration = Duration::from_millis(500);

struct Member {
    client: String,
    peer: String,
    folder: PathBuf,
    child: Option<Child>,
}

/// Three members. They end with this.
pub(super) struct Members {
    program: PathBuf,
    all: Vec<Member>,
    _folder: TempDir,
}

impl Drop for Members {
    fn drop(&mut self) {
        for index in 0..self.all.len() {
            self.kill(index);
        }
    }
}

/// Free when it is asked for.
fn url() -> anyhow::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(format!("http://{}", listener.local_addr()?))
}

impl Members {
    /// Starts them, and waits until they take writes.
    pub(super) async fn start(program: &Path, scratch: &Path) -> anyhow::Result<Self> {
        let folder = TempDir::new_in(scratch)?;
        let mut all = Vec::with_capacity(COUNT);
        for index in 0..COUNT {
            let folder = folder.path().join(format!("m{index}"));
            all.push(Member { client: url()?, peer: url()?, folder, child: None });
        }
        let mut members = Self { program: program.to_owned(), all, _folder: folder };
        for index in 0..COUNT {
            members.revive(index)?;
        }
        members.first_write().await?;
        Ok(members)
    }

    /// Writes again and again for so long: milliseconds that the slowest write took.
    pub(super) async fn slowest_write(&self, time: Duration) -> anyhow::Result<f64> {
        let (begun, clients, mut slowest) = (Instant::now(), self.clients().await?, Duration::ZERO);
        while begun.elapsed() < time {
            for client in &clients {
                let asked = Instant::now();
                let taken =
                    tokio::time::timeout(PATIENCE, written(client.clone(), SLOW)).await.context("no write is taken")?;
                slowest = slowest.max(taken.duration_since(asked));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(slowest.as_secs_f64() * 1e3)
    }

    /// Where clients ask.
    pub(super) fn urls(&self) -> Vec<String> {
        self.all.iter().map(|member| member.client.clone()).collect()
    }

    /// SIGKILL.
    fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.all[index].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a member with what it had.
    fn revive(&mut self, index: usize) -> anyhow::Result<()> {
        let name = |index: usize| format!("m{index}");
        let cluster: Vec<String> =
            self.all.iter().enumerate().map(|(index, member)| format!("{}={}", name(index), member.peer)).collect();
        let Member { client, peer, folder, .. } = &self.all[index];
        let child = Command::new(&self.program)
            .args(["--name", &name(index), "--data-dir", &folder.display().to_string()])
            .args(["--listen-client-urls", client, "--advertise-client-urls", client])
            .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
            .args(["--initial-cluster", &cluster.join(","), "--log-level", "error"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        self.all[index].child = Some(child);
        Ok(())
    }

    async fn clients(&self) -> anyhow::Result<Vec<Client>> {
        let living = self.all.iter().filter(|member| member.child.is_some());
        let mut clients = Vec::new();
        for member in living {
            let begun = Instant::now();
            loop {
                match Client::connect([member.client.as_str()], None).await {
                    Ok(client) => break clients.push(client),
                    Err(error) if begun.elapsed() > PATIENCE => bail!("{} does not answer: {error}", member.client),
                    Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
                }
            }
        }
        Ok(clients)
    }

    /// Waits for the first write that any of them takes: when that was.
    async fn first_write(&self) -> anyhow::Result<Instant> {
        let asked = self.clients().await?.into_iter().map(|client| Box::pin(written(client, ASK_AGAIN)));
        let (done, _, _) = tokio::time::timeout(PATIENCE, futures::future::select_all(asked))
            .await
            .context("no member of etcd takes a write")?;
        Ok(done)
    }

    /// The member that leads.
    async fn leader(&self) -> anyhow::Result<usize> {
        for (index, client) in self.clients().await?.into_iter().enumerate() {
            let said = client.maintenance_client().status().await?;
            if said.header().is_some_and(|header| header.member_id() == said.leader()) {
                return Ok(index);
            }
        }
        bail!("no member of etcd leads")
    }

    /// Kills the leader: milliseconds until the others have taken a write. Then all are there again.
    pub(super) async fn lose_the_leader(&mut self) -> anyhow::Result<f64> {
        let leader = self.leader().await?;
        let begun = Instant::now();
        self.kill(leader);
        let taken = self.first_write().await?.duration_since(begun);
        self.revive(leader)?;
        ensure!(self.clients().await?.len() == COUNT, "a member is missing");
        Ok(taken.as_secs_f64() * 1e3)
    }
}

/// Writes until a write is taken.
async fn written(mut client: Client, ask_again: Duration) -> Instant {
    loop {
        match tokio::time::timeout(ask_again, client.put("bench", "x", None)).await {
            Ok(Ok(_)) => return Instant::now(),
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(_) => {}
        }
    }
}
