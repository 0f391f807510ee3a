//! The Go programs of the lab. Their sources travel inside this program, so the hash over them is the hash of what is built,
//! wherever the lab is run from. go.mod and go.sum are committed and taken as they are: a build never resolves versions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::command::{check, command};
use crate::prerequisites;
use crate::progress::step;
use crate::release::Release;

use super::artifact::{Cache, Half, Key};

/// What one `go build` takes.
struct Program {
    name: &'static str,
    sources: Vec<(&'static str, &'static str)>,
    tags: &'static str,
    linker: String,
}

macro_rules! source {
    ($folder:literal, $name:literal) => {
        ($name, include_str!(concat!("../../", $folder, "/", $name)))
    };
}

/// The programs of Kubernetes and etcd in one.
pub(super) fn kubehost(cache: &Cache, release: Release) -> Result<PathBuf> {
    match release.compiled() {
        own if own == release => compiled(cache, release),
        other => renumbered(cache, release, other),
    }
}

/// The programs of another release, which say that they are of this one.
fn renumbered(cache: &Cache, release: Release, other: Release) -> Result<PathBuf> {
    let from = compiled(cache, other)?;
    let kind = format!("kubehost-{}", release.version());
    let key = Key::default().with("version", release.version()).with_artifact(&from);
    cache.ensure(Half::Shared, &kind, &key, |part| {
        let mut program = fs::read(from.join("kubehost")).context("read the programs")?;
        let (old, new) = (format!("v{}", other.version()), format!("v{}", release.version()));
        let places = renumber(&mut program, old.as_bytes(), new.as_bytes());
        ensure!(places > 0, "the programs nowhere say that they are {old}");
        let to = part.join("kubehost");
        fs::write(&to, program)?;
        Ok(fs::set_permissions(to, fs::Permissions::from_mode(0o755))?)
    })
}

/// Puts `new` in the place of each `old`, which is as long. Returns how often.
fn renumber(program: &mut [u8], old: &[u8], new: &[u8]) -> usize {
    let mut places = 0;
    let mut at = 0;
    while at + old.len() <= program.len() {
        if program[at..].starts_with(old) {
            program[at..at + old.len()].copy_from_slice(new);
            places += 1;
        }
        at += 1;
    }
    places
}

fn compiled(cache: &Cache, release: Release) -> Result<PathBuf> {
    let mut sources = vec![
        source!("kubehost", "main.go"),
        source!("kubehost", "kubelet.go"),
        source!("kubehost", "kubelet_without_context.go"),
    ];
    sources.extend(match release {
        Release::V1_33 | Release::V1_33Next => [
            ("go.mod", include_str!("../../kubehost/1.33.13/go.mod")),
            ("go.sum", include_str!("../../kubehost/1.33.13/go.sum")),
        ],
        Release::V1_34 | Release::V1_35 => [
            ("go.mod", include_str!("../../kubehost/1.34.4/go.mod")),
            ("go.sum", include_str!("../../kubehost/1.34.4/go.sum")),
        ],
    });
    let tags = if release.minor() < 34 { "kubelet_without_context" } else { "" };
    let program = Program { name: "kubehost", sources, tags, linker: versioned(release) };
    let kind = format!("kubehost-{}", release.version());
    step(&format!("Kubernetes {} from its modules", release.version()), || build(cache, &kind, &[program]))
}

/// CoreDNS, the same for all releases.
pub(super) fn coredns(cache: &Cache) -> Result<PathBuf> {
    let sources = vec![source!("coredns", "main.go"), source!("coredns", "go.mod"), source!("coredns", "go.sum")];
    let program = Program { name: "coredns", sources, tags: "", linker: "-s -w".to_owned() };
    step("CoreDNS", || build(cache, "coredns", &[program]))
}

/// etcd as the last of its 3.5 line, the same for all releases.
pub(super) fn later_etcd(cache: &Cache) -> Result<PathBuf> {
    let sources =
        vec![source!("etcd-later", "main.go"), source!("etcd-later", "go.mod"), source!("etcd-later", "go.sum")];
    let program = Program { name: "etcd", sources, tags: "", linker: "-s -w".to_owned() };
    step("a later etcd 3.5", || build(cache, "etcd-later", &[program]))
}

/// The programs of a page each.
pub(super) fn small_programs(cache: &Cache) -> Result<PathBuf> {
    let plain = |name, sources| Program { name, sources, tags: "", linker: "-s -w".to_owned() };
    let programs = [
        plain("pause", vec![source!("pause", "main.go"), source!("pause", "go.mod")]),
        plain("cni-install", vec![source!("cni-install", "main.go"), source!("cni-install", "go.mod")]),
        plain("kubeadm-witness", vec![source!("kubeadm-witness", "main.go"), source!("kubeadm-witness", "go.mod")]),
        plain("web", vec![source!("web", "main.go"), source!("web", "go.mod")]),
    ];
    step("pause, cni-install, kubeadm-witness and web", || build(cache, "small", &programs))
}

/// Kubernetes learns its own version from the linker.
fn versioned(release: Release) -> String {
    let minor = release.minor();
    ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].iter().fold("-s -w".to_owned(), |flags, package| {
        format!(
            "{flags} -X {package}.gitVersion=v{} -X {package}.gitMajor=1 -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean",
            release.version()
        )
    })
}

fn build(cache: &Cache, kind: &str, programs: &[Program]) -> Result<PathBuf> {
    let key = programs.iter().fold(Key::default(), |key, program| {
        let key = key.with("name", program.name).with("tags", program.tags).with("linker", &program.linker);
        program.sources.iter().fold(key, |key, (name, text)| key.with(name, text))
    });
    cache.ensure(Half::Shared, kind, &key, |part| {
        for program in programs {
            compile(cache, program, part)?;
        }
        Ok(())
    })
}

fn compile(cache: &Cache, program: &Program, into: &Path) -> Result<()> {
    let work = cache.scratch(&format!("go-{}", program.name))?;
    for (name, text) in &program.sources {
        fs::write(work.join(name), text)?;
    }
    let mut go = command("nice", ["-n", "5"]);
    go.arg(prerequisites::go()?).args([
        "build",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-tags",
        program.tags,
    ]);
    go.args(["-ldflags", &program.linker, "-o"]).arg(into.join(program.name)).arg(".");
    go.current_dir(&work).env("CGO_ENABLED", "0").env("GOCACHE", cache.go()).env("GOFLAGS", "").env("GOWORK", "off");
    check(&mut go)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::renumber;

    #[test]
    fn every_old_number_becomes_the_new_one_and_nothing_else_changes() {
        let mut program = b"..v1.33.13v1.33.13\0v1.33.1v0.33.13".to_vec();
        assert_eq!(renumber(&mut program, b"v1.33.13", b"v1.33.14"), 2);
        assert_eq!(program, b"..v1.33.14v1.33.14\0v1.33.1v0.33.13");
        assert_eq!(renumber(&mut program, b"v2", b"v3"), 0);
    }
}
