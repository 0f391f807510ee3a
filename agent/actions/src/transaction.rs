//! What every change of packages needs: a lock that is free, a command that outlives the agent, and the cause of a failure told by the state
//! first and by the package manager's words only then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use slipway_errors::Code;
use slipway_host::{Error as HostError, Host, Offer, PackageCommand, Packages, Trouble};
use slipway_proto::types::{Change, Obstacle};

use crate::long_command::{Ended, LongCommand, OUTPUT_LIMIT};
use crate::perform::{change, obstacle};
use crate::{Error, OperationContext};

/// Where it is noted what was held, and what was fetched.
pub(crate) const NOTES: &str = "/var/lib/slipway/agent/packages";
/// How long another process's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(500);
const NOTE_LIMIT: usize = 1 << 16;

/// Reading the lists of one repository.
pub(crate) const UPDATE: LongCommand = LongCommand {
    action: "set-repository",
    says: "apt-get update",
    longest: Duration::from_mins(5),
    code: Code::PACKAGE_REPOSITORY,
};

/// Waits until nobody holds the package manager's lock, and says who does meanwhile.
pub(crate) async fn lock_is_free(host: &Host, operation: &OperationContext, action: &'static str) -> Result<(), Error> {
    let manager = host.package_manager()?;
    let until = operation.clock.since_boot() + LOCK_PATIENCE;
    let mut said = String::new();
    while let Some(holder) = manager.holder().await? {
        if operation.clock.since_boot() >= until || operation.left() <= POLL {
            let what = format!("{holder} holds the package manager's lock, and did not let go of it");
            return Err(HostError::Package { trouble: Trouble::Locked, what }.into());
        }
        operation.go_on(action)?;
        let sentence = format!("waiting for the package manager's lock, which {holder} holds");
        if sentence != said {
            operation.progress.say(sentence.clone());
            said = sentence;
        }
        tokio::select! {
            () = operation.cancelled.cancelled() => {}
            () = tokio::time::sleep(POLL) => {}
        }
    }
    Ok(())
}

/// Packages that are half installed stand in the way of everything else; while somebody holds the lock, that is only his work under way.
pub(crate) async fn broken(manager: &dyn Packages) -> Result<Vec<Obstacle>, Error> {
    if manager.holder().await?.is_some() {
        return Ok(vec![]);
    }
    let broken = manager.broken().await?;
    if broken.is_empty() {
        return Ok(vec![]);
    }
    let names = listed(&broken);
    let explain = format!("{names} half installed: dpkg --configure -a, and see what it says");
    Ok(vec![obstacle(Code::PACKAGE_BROKEN, names, explain)])
}

fn listed(names: &[String]) -> String {
    let text = names.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=5 => text,
        count => format!("{text} and {} more", count - 5),
    }
}

/// Runs a command as a service of its own, once the lock is free.
pub(crate) async fn run(
    command: LongCommand,
    host: &Host,
    operation: &OperationContext,
    words: PackageCommand,
) -> Result<Ended, Error> {
    lock_is_free(host, operation, command.action).await?;
    command.run_with(host, operation, words.argv, words.environment).await
}

/// Why a command failed: what the state tells, or else what its words hint at.
pub(crate) async fn failed(command: LongCommand, host: &Host, ended: &Ended) -> Error {
    let Ok(manager) = host.package_manager() else { return ended.failed(command) };
    let trouble = match (manager.holder().await, manager.broken().await) {
        (Ok(Some(holder)), _) => {
            let what = format!("{} ended with {}: {holder} holds the lock", command.says, ended.exit);
            return HostError::Package { trouble: Trouble::Locked, what }.into();
        }
        (_, Ok(broken)) if !broken.is_empty() => Some(Trouble::Broken),
        _ => manager.dialect().hint(&words(host, &ended.output).await),
    };
    match trouble {
        Some(trouble) => {
            let what = format!(
                "{} ended with {}: {}; all of it is in {}",
                command.says,
                ended.exit,
                ended.said,
                ended.output.display()
            );
            HostError::Package { trouble, what }.into()
        }
        None => ended.failed(command),
    }
}

async fn words(host: &Host, output: &Path) -> String {
    let said = host.files.read(output, OUTPUT_LIMIT).await.ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&said).into_owned()
}

/// Reads the lists of the repositories that the file names.
pub(crate) async fn refresh(host: &Host, operation: &OperationContext, source: &Path) -> Result<String, Error> {
    let words = host.package_manager()?.dialect().refresh(source);
    let ended = run(UPDATE, host, operation, words).await?;
    if ended.exit == 0 { Ok(ended.line(UPDATE)) } else { Err(failed(UPDATE, host, &ended).await) }
}

/// The versions to install; where they are not in the lists that the host has, it reads those of its Kubernetes repositories anew.
pub(crate) async fn exact(
    host: &Host,
    operation: &OperationContext,
    names: &[String],
    release: &str,
) -> Result<Vec<(String, String)>, Error> {
    let manager = host.package_manager()?;
    let choose = |offer: &Offer| slipway_host::plan::apt::choose(offer, names, release);
    if let Ok(exact) = choose(&manager.known().await?) {
        return Ok(exact);
    }
    let mut unread = None;
    let mut sources: Vec<PathBuf> = manager.sources("").await?.into_iter().map(|source| source.path).collect();
    sources.dedup();
    for source in sources {
        if let Err(error) = refresh(host, operation, &source).await {
            unread = Some(error);
        }
    }
    let known = manager.known().await?;
    match (choose(&known), unread) {
        (Ok(exact), _) => Ok(exact),
        (Err(_), Some(error)) => Err(error),
        (Err(name), None) => {
            let has = known.get(&name).map(|versions| listed(versions)).unwrap_or_default();
            let has = if has.is_empty() { "nothing of that name".to_owned() } else { has };
            let what = format!("no configured repository has {name} {release}; there is {has}");
            Err(HostError::Package { trouble: Trouble::Missing, what }.into())
        }
    }
}

/// Names that were noted in a file below [`NOTES`].
pub(crate) async fn noted(host: &Host, note: &str) -> Result<Vec<String>, Error> {
    let bytes = host.files.read(&Path::new(NOTES).join(note), NOTE_LIMIT).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// Notes names.
pub(crate) async fn note(host: &Host, note: &str, names: &[String]) -> Result<(), Error> {
    host.files.make_folder(Path::new(NOTES), 0o700).await?;
    Ok(host.files.write(&Path::new(NOTES).join(note), names.join("\n").as_bytes(), 0o600).await?)
}

/// Forgets a note.
pub(crate) async fn forget(host: &Host, note: &str) -> Result<(), Error> {
    let path = Path::new(NOTES).join(note);
    Ok(host.files.remove(&path, std::slice::from_ref(&path)).await?)
}

/// A change of a package.
pub(crate) fn of_package(name: &str, verb: &str, detail: impl Into<String>) -> Change {
    change("package", name, verb, detail)
}
