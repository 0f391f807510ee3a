//! Where long commands write what they say. systemd opens the file, so the folder must be there before; and what nobody reads any more goes,
//! so that the folder cannot fill the disk.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use slipway_errors::{Code, Coded};

/// The folder: the same one that actions name to systemd.
pub const FOLDER: &str = "/var/lib/slipway/agent/output";

/// How many outputs are kept.
const KEPT: usize = 200;

/// Makes the folder where it is missing, and removes the oldest outputs beyond those that are kept.
pub fn prepare(folder: &Path) -> Result<(), Coded> {
    let failed = |error: std::io::Error| {
        Coded::new(Code::AGENT_JOURNAL, format!("preparing {} for the output of commands: {error}", folder.display()))
            .do_this("see that the disk of the state folder has room and can be written")
    };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    for path in oldest_beyond(folder, KEPT).map_err(failed)? {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "an old output cannot be removed");
        }
    }
    Ok(())
}

fn oldest_beyond(folder: &Path, kept: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            all.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    all.sort();
    let beyond = all.len().saturating_sub(kept);
    Ok(all.into_iter().take(beyond).map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn the_oldest_outputs_go_and_folders_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5_u64 {
            let file = std::fs::File::create(folder.path().join(format!("{number}.log"))).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 - number)).unwrap();
        }
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        let names =
            |paths: Vec<PathBuf>| paths.iter().map(|path| path.file_name().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(oldest_beyond(folder.path(), 3).unwrap()), ["4.log", "3.log"]);
        prepare(&folder.path().join("new/inner")).unwrap();
        prepare(folder.path()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 7);
    }
}
