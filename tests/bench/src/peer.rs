//! Where the peers lie: programs of others, pinned to a version, in a cache folder outside of the tree. A missing one is not fetched behind
//! anybody's back; what gets it is said.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A program that we are compared with.
pub(crate) struct Program {
    /// Its package.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// Below its folder.
    binary: &'static str,
    /// What gets it, in its folder.
    get: &'static [&'static str],
}

/// The usual tool for doing steps on hosts.
pub(crate) const ANSIBLE: Program = Program {
    name: "ansible-core",
    version: "2.19.14",
    binary: "bin/ansible-playbook",
    get: &["python3 -m venv .", "bin/pip install ansible-core==2.19.14"],
};

/// The usual tool for figures of a host.
pub(crate) const NODE_EXPORTER: Program = Program {
    name: "prometheus-node-exporter",
    version: "1.5.0",
    binary: "usr/bin/prometheus-node-exporter",
    get: &["apt-get download prometheus-node-exporter", "dpkg-deb -x prometheus-node-exporter_1.5.0-*.deb ."],
};

/// The usual tool for hearing how many hosts are.
pub(crate) const PROMETHEUS: Program = Program {
    name: "prometheus",
    version: "2.42.0",
    binary: "usr/bin/prometheus",
    get: &["apt-get download prometheus", "dpkg-deb -x prometheus_2.42.0*.deb ."],
};

/// What holds elections for others, and ours too: the release that the lab builds, as one program.
pub(crate) const ETCD: Program = Program {
    name: "etcd",
    version: "3.5.35",
    binary: "etcd",
    get: &[concat!("go build -C ", env!("CARGO_MANIFEST_DIR"), "/../lab/etcd-later -o \"$PWD/etcd\" .")],
};

impl Program {
    /// Where it lies; missing, how to get it.
    pub(crate) fn find(&self) -> anyhow::Result<PathBuf> {
        self.find_in(&cache()?)
    }

    fn find_in(&self, cache: &Path) -> anyhow::Result<PathBuf> {
        let folder = cache.join(format!("{}-{}", self.name, self.version));
        let binary = folder.join(self.binary);
        if binary.is_file() {
            return Ok(binary);
        }
        let folder = folder.display();
        bail!(
            "the peer {} {} is missing; this gets it:\n  mkdir -p {folder} && cd {folder} && {}",
            self.name,
            self.version,
            self.get.join(" && ")
        )
    }

    /// As figures name it.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

fn cache() -> anyhow::Result<PathBuf> {
    let user = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let user = user.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    Ok(user.context("no cache folder: set XDG_CACHE_HOME")?.join("slipway/bench"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_peer_says_how_to_get_it_and_a_present_one_where_it_is() {
        let cache = tempfile::tempdir().unwrap();
        let error = ANSIBLE.find_in(cache.path()).unwrap_err().to_string();
        assert!(error.contains("pip install ansible-core==2.19.14") && error.contains("cd "), "{error}");
        let binary = cache.path().join("ansible-core-2.19.14/bin/ansible-playbook");
        std::fs::create_dir_all(binary.parent().unwrap()).unwrap();
        std::fs::write(&binary, "").unwrap();
        assert_eq!(ANSIBLE.find_in(cache.path()).unwrap(), binary);
    }
}
