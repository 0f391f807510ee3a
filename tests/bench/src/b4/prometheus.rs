//! The peer: Prometheus, which also keeps a connection to every host and hears its figures as often. It does another thing with them (it keeps
//! their history) and does without certificates; both are said wherever it is named.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::Value;

use super::targets;
use crate::http;

const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The program at work.
pub(super) struct Prometheus {
    child: Child,
    address: SocketAddr,
    list: PathBuf,
}

impl Prometheus {
    /// Starts it with nobody to ask, and waits until it is ready.
    pub(super) fn start(binary: &Path, every_ms: u32, folder: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (list, config) = (folder.join("targets.json"), folder.join("prometheus.yml"));
        std::fs::write(&list, "[]")?;
        std::fs::write(&config, configuration(every_ms, &list))?;
        let mut command = Command::new(binary);
        command.arg(format!("--config.file={}", config.display())).arg(format!("--web.listen-address={address}"));
        command.arg(format!("--storage.tsdb.path={}", folder.join("tsdb").display()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self { child: command.spawn().context("starting prometheus")?, address, list };
        until("it is ready", || Ok(http::get(address, "/-/ready").is_ok()))?;
        Ok(started)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it hosts to ask.
    pub(super) fn give(&self, addresses: &[SocketAddr]) -> anyhow::Result<()> {
        Ok(std::fs::write(&self.list, targets::list(addresses))?)
    }

    /// Waits until it has heard so many hosts.
    pub(super) fn hears(&self, count: usize) -> anyhow::Result<()> {
        until("it hears all hosts", || {
            let answer: Value = serde_json::from_str(&http::get(self.address, "/api/v1/query?query=count(up==1)")?)?;
            Ok(heard(&answer) == count)
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < PATIENCE, "prometheus: not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

fn heard(answer: &Value) -> usize {
    answer["data"]["result"][0]["value"][1].as_str().and_then(|count| count.parse().ok()).unwrap_or_default()
}

fn configuration(every_ms: u32, list: &Path) -> String {
    let mut text = format!("global:\n  scrape_interval: {every_ms}ms\n  scrape_timeout: {every_ms}ms\n");
    let _ = write!(
        text,
        "scrape_configs:\n- job_name: hosts\n  file_sd_configs:\n  - files: [{:?}]\n",
        list.display().to_string()
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_are_heard_is_read_from_the_answer() {
        let answer = serde_json::json!({"data": {"result": [{"value": [1.5, "17"]}]}});
        assert_eq!(heard(&answer), 17);
        assert_eq!(heard(&serde_json::json!({"data": {"result": []}})), 0, "nobody was heard yet");
    }

    #[test]
    fn it_asks_as_often_as_we_do() {
        let text = configuration(10_000, Path::new("/x/targets.json"));
        assert!(text.contains("scrape_interval: 10000ms") && text.contains("[\"/x/targets.json\"]"), "{text}");
    }
}
