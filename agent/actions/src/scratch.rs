//! The configuration that one long command reads: it holds secrets, so it lies in memory only, for root's eyes, and no longer than the command
//! runs.

use std::path::{Path, PathBuf};

use slipway_host::Host;
use slipway_types::OperationId;

use crate::Error;
use crate::long_command::LongCommand;

/// In memory only, and gone after a restart.
const FOLDER: &str = "/run/slipway";

fn file_of(command: LongCommand, operation: &OperationId) -> PathBuf {
    Path::new(FOLDER).join(command.unit(operation).replace(".service", ".json"))
}

/// Writes it, and gives its path as a word of the command.
pub(crate) async fn keep(
    host: &Host,
    command: LongCommand,
    operation: &OperationId,
    text: &str,
) -> Result<String, Error> {
    let file = file_of(command, operation);
    host.files.make_folder(Path::new(FOLDER), 0o700).await?;
    host.files.write(&file, text.as_bytes(), 0o600).await?;
    Ok(file.display().to_string())
}

/// Takes it away.
pub(crate) async fn forget(host: &Host, command: LongCommand, operation: &OperationId) -> Result<(), Error> {
    let file = file_of(command, operation);
    Ok(host.files.remove(&file.clone(), &[file]).await?)
}
