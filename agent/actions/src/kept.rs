//! The way back: what a file held before it was changed, kept beside the folders that Kubernetes watches. Named after what takes its place, so
//! that whoever finds the new content finds the old one too, also after a crash.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use slipway_host::Host;

use crate::Error;

/// Where old files are kept.
pub(crate) const FOLDER: &str = "/etc/kubernetes/slipway-kept";
/// Larger than any manifest or kubeconfig.
pub(crate) const LIMIT: usize = 1 << 20;
/// Both kinds of files hold secrets or decide over them.
const MODE: u32 = 0o600;

/// A file that takes the place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub(crate) path: PathBuf,
    pub(crate) new: String,
}

impl Replacement {
    /// Where what was there before is kept.
    pub(crate) fn kept(&self) -> PathBuf {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let of = hex::encode(Sha256::digest(self.new.as_bytes()));
        Path::new(FOLDER).join(format!("{name}.before-{}", &of[..12]))
    }

    /// Keeps the old content and puts the new one in place. Repeated after a crash, it keeps what was kept first.
    pub(crate) async fn put(&self, host: &Host) -> Result<(), Error> {
        let Some(present) = text(host, &self.path).await? else { return Err(gone(&self.path)) };
        if present == self.new {
            return Ok(());
        }
        host.files.make_folder(Path::new(FOLDER), 0o700).await?;
        host.files.write(&self.kept(), present.as_bytes(), MODE).await?;
        Ok(host.files.write(&self.path, self.new.as_bytes(), MODE).await?)
    }

    /// Puts the old content back, if it was kept. Says whether it was.
    pub(crate) async fn put_back(&self, host: &Host) -> Result<bool, Error> {
        let Some(old) = text(host, &self.kept()).await? else { return Ok(false) };
        host.files.write(&self.path, old.as_bytes(), MODE).await?;
        Ok(true)
    }
}

/// The file's text; none if it is not there.
pub(crate) async fn text(host: &Host, path: &Path) -> Result<Option<String>, Error> {
    let Some(bytes) = host.files.read(path, LIMIT).await? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| unreadable(path, "it is no text"))
}

pub(crate) fn unreadable(path: &Path, why: &str) -> Error {
    slipway_host::Error::Unreadable { doing: format!("reading {}", path.display()), why: why.to_owned() }.into()
}

fn gone(path: &Path) -> Error {
    unreadable(path, "it is not there any more")
}
