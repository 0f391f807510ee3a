//! Shell scripts of the tests' own on a host: from a file, so that a failure names the script and its last words, and not all of it.

use anyhow::{Result, ensure};

use crate::host::Host;

impl Host {
    /// Runs a script that ends at its first failure; returns its standard output.
    pub(crate) fn script(&self, name: &str, text: &str, words: &[&str]) -> Result<String> {
        let path = format!("/run/lab-script-{name}");
        self.write_file(&path, "0700", text)?;
        let output = self.run(&[&["sh", "-e", &path], words].concat())?;
        ensure!(output.is_ok(), "{}: script {name}: {output}", self.name());
        Ok(output.stdout)
    }
}
