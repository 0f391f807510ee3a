//! A real etcd of three members on the loopback, as processes of this test. They end with it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use slipway_store::Etcd;
use slipway_types::{Lineage, SystemClock};

const COUNT: usize = 3;

/// One member.
struct Member {
    client: String,
    peer: String,
    folder: PathBuf,
    child: Option<Child>,
}

/// Three members.
pub(crate) struct Members {
    program: PathBuf,
    all: Vec<Member>,
    _folder: tempfile::TempDir,
}

impl Drop for Members {
    fn drop(&mut self) {
        for index in 0..COUNT {
            self.kill(index);
        }
    }
}

/// Free when asked for. Nothing else on this machine takes ports one after the other.
fn url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

impl Members {
    /// Starts them.
    pub(crate) fn start(program: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let member = |index: usize| Member {
            client: url(),
            peer: url(),
            folder: folder.path().join(format!("m{index}")),
            child: None,
        };
        let mut members = Self { program: program.to_owned(), all: (0..COUNT).map(member).collect(), _folder: folder };
        for index in 0..COUNT {
            members.revive(index);
        }
        members
    }

    /// Where clients ask.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.all.iter().map(|member| member.client.clone()).collect()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self, index: usize) {
        if let Some(mut child) = self.all[index].child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts a member with what it had.
    #[expect(clippy::disallowed_methods, reason = "the peer of the store under test")]
    pub(crate) fn revive(&mut self, index: usize) {
        let name = |index: usize| format!("m{index}");
        let cluster: Vec<String> =
            self.all.iter().enumerate().map(|(index, member)| format!("{}={}", name(index), member.peer)).collect();
        let Member { client, peer, folder, .. } = &self.all[index];
        let child = Command::new(&self.program)
            .args(["--name", &name(index), "--data-dir", &folder.display().to_string()])
            .args(["--listen-client-urls", client, "--advertise-client-urls", client])
            .args(["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer])
            .args(["--initial-cluster", &cluster.join(","), "--max-request-bytes", "10485760"])
            .args(["--log-level", "error", "--unsafe-no-fsync"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.all[index].child = Some(child);
    }

    /// Waits until a majority answers.
    pub(crate) async fn answer(&self) {
        let answers = async || {
            Etcd::open(&self.urls(), None, &Lineage("suite".into()), std::sync::Arc::new(SystemClock)).await.is_ok()
        };
        let mut attempts = 0;
        while !answers().await {
            attempts += 1;
            assert!(attempts < 60, "no majority of the members answers");
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
        }
    }

    /// Nothing is left in them.
    pub(crate) async fn empty(&self) {
        let mut client = etcd_client::Client::connect(self.urls(), None).await.unwrap();
        let all = etcd_client::DeleteOptions::new().with_prefix();
        client.delete("/slipway/", Some(all)).await.unwrap();
    }
}
