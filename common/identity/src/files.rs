//! Files that hold keys. A reader sees the old content or the new, never a half, also after a power cut; and nobody but the owner may read
//! them, from the first byte on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// No file of an identity is longer: what is longer is no such file.
const LONGEST: u64 = 256 * 1024;

/// What could not be done to which file.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl FileError {
    /// The way it failed.
    pub fn kind(&self) -> ErrorKind {
        self.source.kind()
    }

    /// The sentence with its cause, for people.
    pub fn says(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> FileError + use<'a> {
    move |source| FileError { doing, path: path.to_owned(), source }
}

/// Makes `folder` and what is above it; the new ones are the owner's alone.
pub(crate) fn private_folder(folder: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at("making the folder", folder))
}

/// Puts `content` into `path`, whole and durable, readable by the owner alone. What was there is replaced.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let fresh = temporary(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(at("making", &fresh))?;
    file.write_all(content).and_then(|()| file.sync_all()).map_err(at("writing", &fresh))?;
    fs::rename(&fresh, path).map_err(at("putting in place", path))?;
    sync_folder_of(path)
}

/// Like [`write_private`], but never over something that is there.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let fresh = temporary(path);
    write_private(&fresh, content)?;
    let linked = fs::hard_link(&fresh, path).map_err(at("putting in place", path));
    fs::remove_file(&fresh).map_err(at("removing", &fresh))?;
    linked?;
    sync_folder_of(path)
}

/// The content of `path`, if it is of a size that such a file can have.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(at("opening", path))?;
    file.take(LONGEST + 1).read_to_end(&mut content).map_err(at("reading", path))?;
    if content.len() as u64 > LONGEST {
        return Err(at("reading", path)(std::io::Error::new(
            ErrorKind::FileTooLarge,
            "it is too large for what it should be",
        )));
    }
    Ok(content)
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

fn sync_folder_of(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at("making durable", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_read_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        private_folder(&inner).unwrap();
        write_private(&inner.join("key"), b"secret").unwrap();
        assert_eq!((mode(&inner), mode(&inner.join("key"))), (0o700, 0o600));
    }

    #[test]
    fn a_leftover_of_a_cut_write_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(folder.path().join("key.new"), "half of an old wri").unwrap();
        write_private(&path, b"new").unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn write_new_never_replaces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key.age");
        write_new(&path, b"first").unwrap();
        assert_eq!(write_new(&path, b"second").unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(read(&path).unwrap(), b"first");
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_file_too_large_to_be_a_key_is_not_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        File::create(&path).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }
}
