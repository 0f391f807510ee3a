//! Everything that hosts are made of and that takes long to make. It is built once, kept under the hash of what made it, and
//! only for the release that is asked for: a warm `up` never builds.

mod artifact;
mod go;
mod images;
mod packages;
mod repository;
mod root;

pub(crate) use images::{SANDBOX, WEB};
pub(crate) use repository::{KEYRING, REPOSITORIES};

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::progress::step;
use crate::release::Release;
use crate::state::State;
use crate::{paths, prerequisites};

use artifact::Cache;

/// Where hosts see the shared half of the cache.
pub(crate) const SHARED: &str = "/opt/lab";

/// What a lab of one release is booted from.
///
/// A lab keeps this as it was when it was made, whatever is built later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Built {
    /// The root that all hosts lie over.
    pub(crate) root: PathBuf,
    /// What hosts see, read-only, at [`SHARED`].
    pub(crate) shared: PathBuf,
    /// All images of the release, as hosts see the file.
    pub(crate) images: String,
    /// The stand-in for kubeadm that keeps count, as hosts see the file.
    pub(crate) witness: String,
    /// Everything of Kubernetes and etcd in one program, as hosts see the file; empty in the record of an older lab.
    #[serde(default)]
    pub(crate) kubehost: String,
    /// Images that no release asks for and tests need, as hosts see the file.
    #[serde(default)]
    pub(crate) extra_images: String,
    /// The small server that is a mirror of packages too, as hosts see the file.
    #[serde(default)]
    pub(crate) web: String,
}

/// Builds what is missing for this release and says where everything is.
pub(crate) fn ensure(release: Release) -> Result<Built> {
    let cache = Cache::open(&paths::cache())?;
    let built = ensure_in(&cache, release)?;
    if cache.has_built() {
        // The compiler's own cache is ten times what it made.
        cache.forget_go()?;
        if !State::new(paths::state()).exists() {
            cache.prune()?;
        }
    }
    Ok(built)
}

/// Builds what is missing for this release, for a later `up`.
pub fn prebuild(release: Release) -> Result<()> {
    check_tools()?;
    ensure(release).map(|_| ())
}

fn ensure_in(cache: &Cache, release: Release) -> Result<Built> {
    let version = release.version();
    let root = root::ensure(cache)?;
    let programs: Vec<(Release, PathBuf)> =
        release.siblings().map(|one| Ok((one, go::kubehost(cache, one)?))).collect::<Result<_>>()?;
    let kubehost = programs.iter().find(|(one, _)| *one == release).context("a release is its own sibling")?.1.clone();
    let coredns = go::coredns(cache)?;
    let small = go::small_programs(cache)?;
    let images = step(&format!("images of {version}"), || {
        images::ensure(
            cache,
            release,
            &images::Sources { root: &root, kubehost: &kubehost, coredns: &coredns, small: &small },
        )
    })?;
    step(&format!("packages of {}", release.repository()), || repository::ensure(cache, &root, &programs))?;
    if release == Release::V1_34 {
        repository::ensure(cache, &root, &[(Release::V1_35, kubehost.clone())])?;
    }
    let etcd = go::later_etcd(cache)?;
    let extras = step("images of the tests' own", || images::extras(cache, &etcd, &small))?;
    Ok(Built {
        images: seen(cache, &images.join("images.tar"))?,
        witness: seen(cache, &small.join("kubeadm-witness"))?,
        kubehost: seen(cache, &kubehost.join("kubehost"))?,
        extra_images: seen(cache, &extras.join("images.tar"))?,
        web: seen(cache, &small.join("web"))?,
        shared: cache.shared().to_owned(),
        root,
    })
}

/// The path under which hosts see a file of the cache's shared half.
fn seen(cache: &Cache, path: &Path) -> Result<String> {
    let inside = path.strip_prefix(cache.shared()).with_context(|| format!("{} is not shared", path.display()))?;
    Ok(format!("{SHARED}/{}", inside.display()))
}

/// Refuses, before anything is touched, on a machine that could not build and boot.
pub(crate) fn check_tools() -> Result<()> {
    prerequisites::to_boot()?;
    Ok(prerequisites::to_build()?)
}
