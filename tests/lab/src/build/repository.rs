//! One signed apt repository per minor, laid out as the public ones are, so that switching the minor is the same edit of the
//! same file as on a user's host.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::command::{check, command, run};
use crate::release::Release;

use super::artifact::{Cache, Half, Key};
use super::packages::{self, Package};

const SIGNER: &str = "lab packages <lab@kube.test>";

/// The folder below the shared half, and so below what hosts see, in which every minor has its place.
pub(crate) const REPOSITORIES: &str = "packages/core:/stable:";
/// The key that all of them are signed with, beside them.
pub(crate) const KEYRING: &str = "packages/keyring.gpg";

/// Makes the repository of a minor, with all its releases and their programs, and shows it to hosts.
pub(super) fn ensure(cache: &Cache, root: &Path, releases: &[(Release, PathBuf)]) -> Result<()> {
    let release = releases.first().context("a minor has a release")?.0;
    let signer = Signer::ensure(cache)?;
    let base = root.parent().unwrap_or(root);
    let key = Key::default()
        .with("contents", packages::CONTENTS)
        .with("layout", concat!(include_str!("packages.rs"), include_str!("repository.rs")))
        .with("signer", fs::read(signer.public())?)
        .with_artifact(base);
    let key = releases
        .iter()
        .fold(key, |key, (release, kubehost)| key.with("version", release.package_version()).with_artifact(kubehost));
    let kind = format!("packages-{}", release.repository());
    let path = cache.ensure(Half::Shared, &kind, &key, |part| {
        let work = cache.scratch("packages")?;
        let deb = part.join("deb");
        fs::create_dir_all(&deb)?;
        for (release, kubehost) in releases {
            packages::of(*release, kubehost).iter().try_for_each(|package| pack(package, &work, &deb))?;
        }
        pack(&packages::network(release, root), &work, &deb)?;
        index(&deb, &signer)?;
        fs::remove_dir_all(&work).context("remove the stage")
    })?;
    show(cache, release, &path, &signer)
}

/// The name of a minor always leads to its newest repository.
fn show(cache: &Cache, release: Release, path: &Path, signer: &Signer) -> Result<()> {
    let home = cache.shared().join(REPOSITORIES);
    let (link, keyring) = (home.join(release.repository()), cache.shared().join(KEYRING));
    let target = Path::new("../../..").join(path.file_name().context("a repository has a name")?);
    if keyring.exists() && fs::read_link(&link).is_ok_and(|shown| shown == target) {
        return Ok(());
    }
    cache.hold()?;
    fs::create_dir_all(&home)?;
    let part = home.join(".part");
    if part.is_symlink() {
        fs::remove_file(&part)?;
    }
    symlink(target, &part)?;
    fs::rename(&part, link).context("show the repository")?;
    fs::copy(signer.public(), keyring).map(|_| ()).context("show the key")
}

fn pack(package: &Package, work: &Path, out: &Path) -> Result<()> {
    let stage = work.join(format!("{}-{}", package.name, package.version));
    let control = stage.join("DEBIAN");
    fs::create_dir_all(&control)?;
    fs::write(control.join("control"), package.control())?;
    if !package.conffiles.is_empty() {
        fs::write(control.join("conffiles"), format!("{}\n", package.conffiles.join("\n")))?;
    }
    for (name, script) in &package.scripts {
        fs::write(control.join(name), script)?;
        fs::set_permissions(control.join(name), fs::Permissions::from_mode(0o755))?;
    }
    for file in &package.files {
        file.place(&stage)?;
    }
    let mut pack = command("dpkg-deb", ["--root-owner-group", "-Zgzip", "--build"]);
    pack.arg(&stage).arg(out).env("SOURCE_DATE_EPOCH", "0");
    check(&mut pack).map(|_| ())
}

fn index(deb: &Path, signer: &Signer) -> Result<()> {
    let mut scan = command("dpkg-scanpackages", ["--multiversion", "."]);
    let listed = check(scan.current_dir(deb))?;
    fs::write(deb.join("Packages"), &listed)?;
    let sum = run("sha256sum", &[&deb.join("Packages").to_string_lossy()])?;
    let sum = sum.split_whitespace().next().context("sha256sum says a sum")?;
    let date = run("date", &["--utc", "--rfc-email"])?;
    let release = format!(
        "Origin: lab\nLabel: lab\nArchitectures: amd64\nDate: {}\nSHA256:\n {sum} {} Packages\n",
        date.trim(),
        listed.len()
    );
    fs::write(deb.join("Release"), release)?;
    signer.sign(&deb.join("Release"), &deb.join("InRelease"))?;
    check(signer.gpg().args(["--armor", "--export", "--output"]).arg(deb.join("Release.key"))).map(|_| ())
}

/// The key of all repositories. It stays, so that a host which trusts it goes on to trust what is built later.
struct Signer {
    home: PathBuf,
}

impl Signer {
    fn ensure(cache: &Cache) -> Result<Self> {
        let signer = Self { home: cache.kept("signer") };
        if signer.public().exists() {
            return Ok(signer);
        }
        cache.hold()?;
        crate::mounts::remove_tree(&signer.home)?;
        fs::create_dir_all(&signer.home)?;
        fs::set_permissions(&signer.home, fs::Permissions::from_mode(0o700))?;
        check(signer.gpg().args(["--passphrase", "", "--quick-gen-key", SIGNER, "rsa2048", "sign", "never"]))?;
        let part = signer.home.join("public.part");
        check(signer.gpg().args(["--export", "--output"]).arg(&part))?;
        ensure!(fs::metadata(&part)?.len() > 0, "gpg exported no key");
        fs::rename(part, signer.public())?;
        signer.end_agent()?;
        Ok(signer)
    }

    fn public(&self) -> PathBuf {
        self.home.join("public.gpg")
    }

    fn gpg(&self) -> Command {
        let mut gpg = command("gpg", ["--quiet", "--batch", "--yes"]);
        gpg.env("GNUPGHOME", &self.home);
        gpg
    }

    fn sign(&self, file: &Path, out: &Path) -> Result<()> {
        check(self.gpg().args(["--clearsign", "--output"]).arg(out).arg(file))?;
        self.end_agent()
    }

    /// gpg starts an agent of this home, which would stay.
    fn end_agent(&self) -> Result<()> {
        check(command("gpgconf", ["--kill", "gpg-agent"]).env("GNUPGHOME", &self.home)).map(|_| ())
    }
}
