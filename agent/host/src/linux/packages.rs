//! Which files packages own: dpkg's lists are read as they are, rpm is asked. A host with neither is refused, since there everything would
//! look unowned.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::blocking;
use super::exec::{Exec, Program};
use crate::{Error, PackageDb};

const DPKG: &str = "/var/lib/dpkg/info";

#[derive(Debug)]
pub(super) struct Database {
    pub(super) exec: Arc<Exec>,
}

#[async_trait]
impl PackageDb for Database {
    async fn owned_below(&self, roots: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Error> {
        let roots = roots.to_vec();
        if Path::new(DPKG).is_dir() {
            return blocking("reading dpkg's lists", move || dpkg(Path::new(DPKG), &roots)).await;
        }
        if Program::Rpm.path().is_some() {
            let listed = self.exec.run(Program::Rpm, &["-qa", "--list"], None).await?;
            return Ok(below(String::from_utf8_lossy(&listed).lines(), &roots).collect());
        }
        let why = "neither dpkg nor rpm is on this host, so nobody can say which files packages own".to_owned();
        Err(Error::Unreadable { doing: "looking for the packages' files".into(), why })
    }
}

fn dpkg(folder: &Path, roots: &[PathBuf]) -> Result<BTreeSet<PathBuf>, Error> {
    let doing = |path: &Path| format!("reading {}", path.display());
    let mut owned = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(doing(folder)))? {
        let path = entry.map_err(Error::io(doing(folder)))?.path();
        if path.extension().is_none_or(|end| end != "list") {
            continue;
        }
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            // Replaced while a package is installed: what takes its place is listed as well, or the package is gone.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::io(doing(&path))(error)),
        };
        let lines: Vec<String> =
            BufReader::new(file).lines().collect::<Result<_, _>>().map_err(Error::io(doing(&path)))?;
        owned.extend(below(lines.iter().map(String::as_str), roots));
    }
    Ok(owned)
}

fn below<'l>(lines: impl Iterator<Item = &'l str>, roots: &[PathBuf]) -> impl Iterator<Item = PathBuf> {
    lines.map(PathBuf::from).filter(move |path| roots.iter().any(|root| path.starts_with(root)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_all_packages_are_read_and_cut_to_the_roots() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("kubelet.list"),
            "/.\n/etc\n/etc/kubernetes\n/etc/kubernetes/manifests\n/usr/bin/kubelet\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("kubernetes-cni.list"), "/etc/cni/net.d\n/opt/cni/bin/bridge\n").unwrap();
        std::fs::write(folder.path().join("kubelet.postinst"), "/etc/kubernetes/not-a-list\n").unwrap();
        let owned = dpkg(folder.path(), &["/etc/kubernetes".into(), "/etc/cni/net.d".into()]).unwrap();
        let expected: BTreeSet<PathBuf> =
            ["/etc/kubernetes", "/etc/kubernetes/manifests", "/etc/cni/net.d"].map(PathBuf::from).into();
        assert_eq!(owned, expected);
    }
}
