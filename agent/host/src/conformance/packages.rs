//! The package manager's part of the suite: two versions of packages in a signed repository come, change and go.

use std::path::Path;

use async_trait::async_trait;

use super::{Verdict, ensure, ok};
use crate::plan::apt::{choose, of_release};
use crate::{Host, KUBERNETES_PACKAGES, PackageCommand, Packages, Repository, Trouble};

/// A repository to try it with, and what stands for systemd.
#[async_trait]
pub trait PackageStage: Send + Sync {
    /// A repository that is not configured, with its armoured key.
    fn repository(&self) -> Repository;
    /// Two releases that it has, the lower first.
    fn releases(&self) -> (String, String);
    /// Another armoured key, that signs nothing.
    fn other_key(&self) -> String;
    /// Runs a command to its end; gives its exit code and what it said.
    async fn run(&self, command: &PackageCommand) -> Result<(i32, String), String>;
}

fn all() -> Vec<String> {
    KUBERNETES_PACKAGES.map(str::to_owned).to_vec()
}

async fn trouble(manager: &dyn Packages, repository: Repository) -> Result<Trouble, String> {
    match manager.offered(&repository).await {
        Ok(_) => Err("a repository was read that cannot be".to_owned()),
        Err(crate::Error::Package { trouble, .. }) => Ok(trouble),
        Err(other) => Err(format!("a repository that cannot be read is told as {}", other.coded())),
    }
}

async fn done(stage: &dyn PackageStage, what: &str, command: PackageCommand) -> Verdict {
    let (exit, said) = stage.run(&command).await?;
    ensure(exit == 0, &format!("{what} ended with {exit}: {said}"))
}

/// All of it, on a host without packages of Kubernetes.
pub async fn all_of(host: &Host, stage: &dyn PackageStage) -> Verdict {
    let manager = ok("finding the package manager", host.package_manager())?;
    let before = ok("listing what is installed", manager.installed().await)?;
    ensure(before.is_empty(), "packages of Kubernetes are installed before the suite begins")?;
    looks(manager, stage).await?;
    is_configured(host, manager, stage).await?;
    comes_and_changes(manager, stage).await?;
    fails(manager, stage).await?;
    goes(host, manager, stage).await
}

async fn looks(manager: &dyn Packages, stage: &dyn PackageStage) -> Verdict {
    let (lower, higher) = stage.releases();
    let repository = stage.repository();
    let offer = ok("looking at a repository", manager.offered(&repository).await)?;
    for name in ["kubelet", "kubeadm", "kubectl"] {
        for release in [&lower, &higher] {
            let there = offer.get(name).is_some_and(|all| all.iter().any(|version| of_release(version, release)));
            ensure(there, &format!("{name} {release} is not offered: {offer:?}"))?;
        }
    }
    let wrong = Repository { key: stage.other_key(), ..repository.clone() };
    ensure(trouble(manager, wrong).await? == Trouble::Unsigned, "a wrong key is not told from a silent repository")?;
    let absent = Repository { url: format!("{}none/", repository.url), ..repository.clone() };
    ensure(trouble(manager, absent).await? == Trouble::Unreachable, "an absent repository is not told as such")?;
    let sources = ok("listing sources", manager.sources(&repository.url).await)?;
    ensure(sources.is_empty(), &format!("looking at a repository configured it: {sources:?}"))?;
    ensure(
        ok("reading lists", manager.known().await)?.is_empty(),
        "looking at a repository touched the system's lists",
    )?;
    ensure(ok("looking at locks", manager.holder().await)?.is_none(), "a lock is held that nobody took")?;
    ensure(ok("looking for breakage", manager.broken().await)?.is_empty(), "packages are broken from the beginning")
}

async fn is_configured(host: &Host, manager: &dyn Packages, stage: &dyn PackageStage) -> Verdict {
    let repository = stage.repository();
    let (key, source) = (manager.dialect().key_path(), manager.dialect().source_path());
    ok("making a folder", host.files.make_folder(key.parent().unwrap_or(key), 0o755).await)?;
    ok("writing a key", host.files.write(key, repository.key.as_bytes(), 0o644).await)?;
    let text = manager.dialect().source_text(&repository.url, &key.display().to_string());
    ok("writing a source", host.files.write(source, text.as_bytes(), 0o644).await)?;
    let sources = ok("listing sources", manager.sources(&repository.url).await)?;
    let [one] = &sources[..] else { return Err(format!("one source was written, {sources:?} are found")) };
    ensure(one.path == source && one.alone && one.url == repository.url, &format!("a source is found as {one:?}"))?;
    done(stage, "reading the lists", manager.dialect().refresh(source)).await?;
    ensure(!ok("reading lists", manager.known().await)?.is_empty(), "lists were read, and nothing is known")
}

async fn exact(manager: &dyn Packages, names: &[String], release: &str) -> Result<Vec<(String, String)>, String> {
    let offer = ok("reading lists", manager.known().await)?;
    choose(&offer, names, release).map_err(|name| format!("{name} {release} is not in the lists"))
}

async fn is_at(manager: &dyn Packages, name: &str, release: &str) -> Verdict {
    let installed = ok("listing what is installed", manager.installed().await)?;
    let right = installed.iter().any(|package| package.name == name && of_release(&package.version, release));
    ensure(right, &format!("{name} is not at {release}: {installed:?}"))
}

async fn comes_and_changes(manager: &dyn Packages, stage: &dyn PackageStage) -> Verdict {
    let (lower, higher) = stage.releases();
    let fresh = exact(manager, &all(), &lower).await?;
    done(stage, "fetching", manager.dialect().install(&fresh, true)).await?;
    ensure(ok("listing", manager.installed().await)?.is_empty(), "fetching installed something")?;
    ensure(ok("asking what is to be fetched", manager.not_fetched(&fresh).await)?.is_empty(), "nothing was fetched")?;
    done(stage, "installing", manager.dialect().install(&fresh, false)).await?;
    let installed = ok("listing what is installed", manager.installed().await)?;
    ensure(installed.len() == 4 && installed.iter().all(|package| !package.held), &format!("{installed:?}"))?;

    ok("holding", manager.hold(&all(), true).await)?;
    let held = ok("listing", manager.installed().await)?;
    ensure(held.iter().all(|package| package.held), "a hold is not seen")?;
    let kubeadm = ["kubeadm".to_owned()];
    let one = exact(manager, &kubeadm, &higher).await?;
    done(stage, "upgrading one that is held", manager.dialect().install(&one, false)).await?;
    is_at(manager, "kubeadm", &higher).await?;
    is_at(manager, "kubelet", &lower).await?;
    ok("holding again", manager.hold(&kubeadm, true).await)?;
    let others = ok("listing", manager.installed().await)?;
    ensure(others.iter().all(|package| package.held), "a hold of another package was lost")?;
    done(stage, "going back", manager.dialect().install(&exact(manager, &kubeadm, &lower).await?, false)).await?;
    is_at(manager, "kubeadm", &lower).await?;
    ok("releasing", manager.hold(&kubeadm, false).await)?;
    let released = ok("listing", manager.installed().await)?;
    ensure(released.iter().any(|package| package.name == "kubeadm" && !package.held), "a release is not seen")
}

async fn fails(manager: &dyn Packages, stage: &dyn PackageStage) -> Verdict {
    let before = ok("listing", manager.installed().await)?;
    let none = [("kubelet".to_owned(), "0.0.1-1.1".to_owned())];
    let (exit, said) = stage.run(&manager.dialect().install(&none, false)).await?;
    ensure(
        exit != 0 && manager.dialect().hint(&said) == Some(Trouble::Missing),
        &format!("an unknown version: {exit} {said}"),
    )?;
    ensure(ok("listing", manager.installed().await)? == before, "a transaction that failed changed something")
}

async fn goes(host: &Host, manager: &dyn Packages, stage: &dyn PackageStage) -> Verdict {
    ensure(ok("asking", manager.removed_with(&all()).await)?.is_empty(), "others would be removed too")?;
    done(stage, "removing", manager.dialect().remove(&all())).await?;
    ensure(ok("listing", manager.installed().await)?.is_empty(), "removed packages are installed")?;
    for path in [manager.dialect().source_path(), manager.dialect().key_path()] {
        ok("removing", host.files.remove(path, &[path.to_owned()]).await)?;
    }
    let left = ok("listing sources", manager.sources(&stage.repository().url).await)?;
    ensure(
        !left.iter().any(|source| source.path == Path::new(manager.dialect().source_path())),
        "a removed source is found",
    )
}
