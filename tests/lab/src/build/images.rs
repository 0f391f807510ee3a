//! One archive with every image that a cluster of a release asks for, under the very tags it asks for, so that no host ever
//! needs a registry. The programs of Kubernetes and etcd share one layer.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::{check, command, run};
use crate::release::{LATER_ETCD, Release};

use super::artifact::{Cache, Half, Key};

const REGISTRY: &str = "kube.test";
/// What containerd's configuration in the base root names, whatever the release would like.
pub(crate) const SANDBOX: &str = "kube.test/pause:3.10";
const CNI_INSTALL: &str = "kube.test/cni-install:1";
const PROGRAMS: &[&str] = &[
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubectl",
    "etcd",
    "etcdctl",
    "etcdutl",
];

/// The lab's own application.
pub(crate) const WEB: &str = "kube.test/web:1";

/// What images are made of.
pub(super) struct Sources<'a> {
    pub(super) root: &'a Path,
    pub(super) kubehost: &'a Path,
    pub(super) coredns: &'a Path,
    pub(super) small: &'a Path,
}

/// An image to be: what is in it, how it starts, and what it is called.
struct Image {
    stage: PathBuf,
    entrypoint: Option<&'static str>,
    tags: Vec<String>,
}

/// The folder with `images.tar`, made if need be.
pub(super) fn ensure(cache: &Cache, release: Release, from: &Sources<'_>) -> Result<PathBuf> {
    let base = from.root.parent().unwrap_or(from.root);
    let key = [base, from.kubehost, from.coredns, from.small].iter().fold(
        Key::default().with("version", release.version()).with("layout", include_str!("images.rs")),
        |key, path| key.with_artifact(path),
    );
    cache.ensure(Half::Shared, &format!("images-{}", release.version()), &key, |part| {
        let work = cache.scratch("images")?;
        archive(&stage(&work, release, from)?, &work, &part.join("images.tar"))?;
        fs::remove_dir_all(&work).context("remove the stage")
    })
}

/// The folder with an `images.tar` of what no release asks for and tests need.
pub(super) fn extras(cache: &Cache, etcd: &Path, small: &Path) -> Result<PathBuf> {
    let key = [etcd, small]
        .iter()
        .fold(Key::default().with("etcd", LATER_ETCD).with("layout", include_str!("images.rs")), |key, path| {
            key.with_artifact(path)
        });
    cache.ensure(Half::Shared, "images-extra", &key, |part| {
        let work = cache.scratch("images-extra")?;
        let programs = work.join("etcd/usr/local/bin");
        place(&etcd.join("etcd"), &programs.join("etcd"))?;
        for program in ["etcdctl", "etcdutl"] {
            symlink("etcd", programs.join(program))?;
        }
        place(&small.join("web"), &work.join("web/web"))?;
        let tags = vec![format!("{REGISTRY}/etcd:{LATER_ETCD}")];
        let images = [
            Image { stage: work.join("etcd"), entrypoint: None, tags },
            Image { stage: work.join("web"), entrypoint: Some("/web"), tags: vec![WEB.to_owned()] },
        ];
        archive(&images, &work, &part.join("images.tar"))?;
        fs::remove_dir_all(&work).context("remove the stage")
    })
}

fn stage(work: &Path, release: Release, from: &Sources<'_>) -> Result<Vec<Image>> {
    let mut pause = vec![SANDBOX.to_owned()];
    let (mut coredns, mut kubernetes) = (Vec::new(), Vec::new());
    for tag in asked_for(release, from.kubehost)? {
        match tag.rsplit('/').next().and_then(|name| name.split(':').next()) {
            Some("pause") if pause.contains(&tag) => {}
            Some("pause") => pause.push(tag),
            Some("coredns") => coredns.push(tag),
            _ => kubernetes.push(tag),
        }
    }
    // The manifests of these three name no command, so the images must.
    let single = |folder: &Path, name: &str| -> Result<PathBuf> {
        let stage = work.join(name);
        place(&folder.join(name), &stage.join(name))?;
        Ok(stage)
    };
    Ok(vec![
        Image { stage: kubernetes_stage(&work.join("kubernetes"), from)?, entrypoint: None, tags: kubernetes },
        Image { stage: single(from.coredns, "coredns")?, entrypoint: Some("/coredns"), tags: coredns },
        Image { stage: single(from.small, "pause")?, entrypoint: Some("/pause"), tags: pause },
        Image {
            stage: single(from.small, "cni-install")?,
            entrypoint: Some("/cni-install"),
            tags: vec![CNI_INSTALL.to_owned()],
        },
    ])
}

/// kube-proxy needs `nft` with its libraries, and `/etc/protocols`: without that file nft prints numbers where kube-proxy wrote
/// names, and a second kube-proxy on the host then takes all its Services for stale ones and removes them.
fn kubernetes_stage(stage: &Path, from: &Sources<'_>) -> Result<PathBuf> {
    place(&from.kubehost.join("kubehost"), &stage.join("usr/local/bin/kubehost"))?;
    for program in PROGRAMS {
        symlink("kubehost", stage.join("usr/local/bin").join(program))?;
    }
    place(&from.root.join("etc/protocols"), &stage.join("etc/protocols"))?;
    let root = from.root.to_string_lossy();
    let linked = run("chroot", &[&root, "ldd", "/usr/sbin/nft"])?;
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain(["/usr/sbin/nft"]) {
        let real = run("chroot", &[&root, "realpath", path])?;
        let real = from.root.join(real.trim().trim_start_matches('/'));
        place(&real, &stage.join(path.trim_start_matches('/')))?;
    }
    Ok(stage.to_owned())
}

fn asked_for(release: Release, kubehost: &Path) -> Result<Vec<String>> {
    let version = format!("v{}", release.version());
    let mut list = command(&kubehost.join("kubehost").to_string_lossy(), ["kubeadm", "config", "images", "list"]);
    list.args(["--image-repository", REGISTRY, "--kubernetes-version", &version]);
    Ok(check(&mut list)?.lines().map(str::to_owned).collect())
}

fn place(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("copy {}", from.display()))?;
    Ok(())
}

/// Writes the images in the form that `docker save` has.
fn archive(images: &[Image], work: &Path, out: &Path) -> Result<()> {
    let top = work.join("archive");
    fs::create_dir_all(&top)?;
    let mut manifest = Vec::new();
    for image in images {
        manifest.push(add(image, &top)?);
    }
    fs::write(top.join("manifest.json"), Value::from(manifest).to_string())?;
    tar(&top, out)
}

fn add(image: &Image, top: &Path) -> Result<Value> {
    let layer = top.join("layer.part");
    tar(&image.stage, &layer)?;
    fs::remove_dir_all(&image.stage)?;
    let digest = sha256(&fs::read(&layer)?);
    let file = format!("{digest}.tar");
    fs::rename(&layer, top.join(&file))?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin:/bin"],
            "Entrypoint": image.entrypoint.map(|program| vec![program]),
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        "history": [{}],
    })
    .to_string();
    let name = format!("{}.json", sha256(config.as_bytes()));
    fs::write(top.join(&name), config)?;
    Ok(json!({"Config": name, "RepoTags": image.tags, "Layers": [file]}))
}

fn tar(folder: &Path, out: &Path) -> Result<()> {
    let mut tar = command("tar", ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg("-C").arg(folder).arg("-cf").arg(out).arg(".");
    check(&mut tar).map(|_| ())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
