//! Starts the real programs as real processes, and ends them, hard where a test wants that. Whatever happens to the test, nothing stays
//! behind: each process is killed when its handle goes.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use anyhow::{Context, bail};

/// The folder where cargo put the programs: that of the program which runs now, or above it for tests.
pub fn folder() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    here.ancestors()
        .skip(1)
        .find(|folder| folder.join("slipway-coordinator").is_file())
        .map(Path::to_path_buf)
        .context("the programs are not built: cargo build --bins")
}

/// A running program.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `name` with its output in `log` (appended).
    pub fn start(name: &str, arguments: &[&str], log: &Path) -> anyhow::Result<Self> {
        let out = File::options().create(true).append(true).open(log).with_context(|| log.display().to_string())?;
        let child = Command::new(folder()?.join(name))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Fails with the end of its log if it has ended by itself.
    pub fn must_run(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("ended ({status}): {}", self.last_words());
        }
        Ok(())
    }

    /// The end of its log.
    pub fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Runs `name` to its end and gives its output.
pub fn output(name: &str, arguments: &[&str]) -> anyhow::Result<Output> {
    Command::new(folder()?.join(name))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {name}"))
}

/// Runs `name`; fails with what it said if it does.
pub fn well(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = output(name, arguments)?;
    if !output.status.success() {
        bail!("{name} {arguments:?} ({}): {}{}", output.status, text(&output.stdout), text(&output.stderr));
    }
    Ok(text(&output.stdout))
}

/// Bytes of a program as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A port of loopback that was free a moment ago.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
