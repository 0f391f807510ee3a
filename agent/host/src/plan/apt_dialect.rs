//! apt as one of the package managers that hosts may have: the same words, whether a real one is told them or a simulated one.

use std::path::Path;

use super::{apt, apt_sources};
use crate::packages::{Dialect, PackageCommand, Trouble};

/// See the module.
pub struct AptDialect;

impl Dialect for AptDialect {
    fn source_path(&self) -> &'static Path {
        Path::new(apt::SOURCE)
    }

    fn source_text(&self, url: &str, keyring: &str) -> String {
        apt_sources::text(url, keyring)
    }

    fn key_path(&self) -> &'static Path {
        Path::new(apt::KEY)
    }

    fn keyrings(&self) -> Vec<&'static Path> {
        apt::KEYRINGS.iter().map(Path::new).collect()
    }

    fn refresh(&self, source: &Path) -> PackageCommand {
        apt::refresh(source)
    }

    fn install(&self, exact: &[(String, String)], only_download: bool) -> PackageCommand {
        apt::install(exact, only_download)
    }

    fn remove(&self, names: &[String]) -> PackageCommand {
        apt::remove(names)
    }

    fn hint(&self, output: &str) -> Option<Trouble> {
        apt::hint(output)
    }
}
