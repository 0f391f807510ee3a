//! The peer: node_exporter with only those collectors that tell what the agent tells, and without figures about itself. Both choices favour it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::http;

const COLLECTORS: [&str; 5] = ["cpu", "meminfo", "loadavg", "filesystem", "pressure"];
/// The agent tells of local disks alone, each once; the exporter would tell of every mount.
const NO_FILE_SYSTEMS: &str = "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs|tracefs|tmpfs|ramfs|fuse.*|nfs.*)$";
const ATTEMPTS: u32 = 100;

/// The program at work.
pub(super) struct Exporter {
    child: Child,
    address: SocketAddr,
}

impl Exporter {
    /// Starts it, and waits until it answers.
    pub(super) fn start(binary: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(binary);
        command.arg(format!("--web.listen-address={address}"));
        command.args(["--web.disable-exporter-metrics", "--collector.disable-defaults"]);
        command.args(COLLECTORS.map(|collector| format!("--collector.{collector}")));
        command.arg(format!("--collector.filesystem.fs-types-exclude={NO_FILE_SYSTEMS}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let exporter = Self { child: command.spawn().context("starting node_exporter")?, address };
        for _ in 0..ATTEMPTS {
            if exporter.scrape().is_ok() {
                return Ok(exporter);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("node_exporter does not answer at {address}")
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it, as Prometheus does.
    pub(super) fn scrape(&self) -> anyhow::Result<String> {
        http::get(self.address, "/metrics")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
