//! A host's files, read and written by programs on the host itself: a path taken from outside could lead through a link to a
//! file of this machine.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Host, PATIENCE};

impl Host {
    /// Writes a file, with its folders, for its owner and with this mode, such as `0600`.
    pub fn write_file(&self, path: &str, mode: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let mut install = self.install(path, mode)?;
        let mut child = install.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let written = child.stdin.take().context("it takes input")?.write_all(content.as_ref());
        let output = self.finished(child.wait_with_output()?, PATIENCE, &["write", path])?;
        ensure!(output.is_ok(), "{}: write {path}: {output}", self.name());
        written.with_context(|| format!("write {path} on {}", self.name()))
    }

    /// Copies a file of this machine to the host.
    pub fn copy_in(&self, from: &Path, to: &str, mode: &str) -> Result<()> {
        let file = File::open(from).with_context(|| format!("open {}", from.display()))?;
        let raw = self.install(to, mode)?.stdin(Stdio::from(file)).output()?;
        let output = self.finished(raw, PATIENCE, &["copy to", to])?;
        ensure!(output.is_ok(), "{}: copy to {to}: {output}", self.name());
        Ok(())
    }

    /// Reads a text file.
    pub fn read_file(&self, path: &str) -> Result<String> {
        self.run_ok(&["cat", "--", path])
    }

    /// Whether something is at this path.
    pub fn has_path(&self, path: &str) -> Result<bool> {
        Ok(self.run(&["test", "-e", path])?.is_ok())
    }

    /// By rename, so that nothing on the host ever reads half a file.
    fn install(&self, path: &str, mode: &str) -> Result<Command> {
        const SCRIPT: &str = r#"mkdir -p -- "$(dirname -- "$1")" && cat > "$1.part" && chmod "$2" "$1.part" && mv -fT -- "$1.part" "$1""#;
        self.command_within(PATIENCE, &["sh", "-ec", SCRIPT, "write", path, mode])
    }
}
