//! What decides whether a kubelet of another release can live on this host: cgroups, swap, how the kubelet is configured, and the flags that it is
//! started with. All of it is read from files; what is not there is told as such.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use slipway_proto::agent::{GatesAnswer, KubeletFlag};

use crate::{EntryKind, Error, Host};

const CONFIGURATION: &str = "/var/lib/kubelet/config.yaml";
/// Only the second version of cgroups has it at its root.
const CGROUP_V2: &str = "/sys/fs/cgroup/cgroup.controllers";
const SWAPS: &str = "/proc/swaps";
/// Written by kubeadm.
const KUBEADM: &str = "/var/lib/kubelet/kubeadm-flags.env";
/// Written by whoever runs the host.
const SITE: [&str; 2] = ["/etc/default/kubelet", "/etc/sysconfig/kubelet"];
const DROP_INS: &str = "/etc/systemd/system/kubelet.service.d";
const LIMIT: usize = 1 << 20;
const MOST_FILES: usize = 32;
const MOST_FLAGS: usize = 256;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    #[serde(rename = "failCgroupV1")]
    fail_cgroup_v1: Option<bool>,
    fail_swap_on: Option<bool>,
}

/// Looks.
pub async fn gates(host: &Host) -> Result<GatesAnswer, Error> {
    let configured: Configuration =
        serde_saphyr::from_str(&text(host, Path::new(CONFIGURATION)).await?).unwrap_or_default();
    let mut answer = GatesAnswer {
        cgroup_v1: host.files.entry(Path::new(CGROUP_V2)).await?.is_none(),
        fail_cgroup_v1: configured.fail_cgroup_v1,
        swap: in_use(&text(host, Path::new(SWAPS)).await?),
        fail_swap_on: configured.fail_swap_on,
        flags: Vec::new(),
    };
    answer.flags.extend(flags(&text(host, Path::new(KUBEADM)).await?, true));
    let mut site: Vec<PathBuf> = SITE.iter().map(PathBuf::from).collect();
    let drop_ins = host.files.list(Path::new(DROP_INS)).await.unwrap_or_default();
    let conf = drop_ins.into_iter().filter(|entry| entry.kind == EntryKind::File);
    site.extend(conf.map(|entry| entry.path).filter(|path| path.extension().is_some_and(|end| end == "conf")));
    for path in site.iter().take(MOST_FILES) {
        answer.flags.extend(flags(&text(host, path).await?, false));
    }
    answer.flags.truncate(MOST_FLAGS);
    Ok(answer)
}

async fn text(host: &Host, path: &Path) -> Result<String, Error> {
    let bytes = host.files.read(path, LIMIT).await?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the list has a line under its head.
fn in_use(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.trim().is_empty())
}

/// The names of the flags in a file of environment variables; comments are none.
fn flags(text: &str, kubeadm: bool) -> Vec<KubeletFlag> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let words = lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=')));
    let mut names: Vec<&str> =
        words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| KubeletFlag { name: name.to_owned(), kubeadm }).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use slipway_types::SystemClock;

    use super::*;
    use crate::fake::{FakeHost, preset};

    #[test]
    fn flags_are_found_between_quotes_and_comments_are_none() {
        let text = "# --old=1\nKUBELET_EXTRA_ARGS=\"--node-ip=10.0.0.1 --cluster-dns=10.96.0.10\"\nX='--v' # tail\n";
        let names: Vec<String> = flags(text, false).into_iter().map(|flag| flag.name).collect();
        assert_eq!(names, ["cluster-dns", "node-ip", "v"]);
    }

    #[test]
    fn swap_is_in_use_where_the_list_has_more_than_its_head() {
        assert!(!in_use("") && !in_use("Filename\tType\tSize\n"));
        assert!(in_use("Filename\tType\tSize\n/dev/vda3 partition 1024\n"));
    }

    #[tokio::test]
    async fn a_host_is_read_as_it_is_configured() {
        let mut state = preset::worker("w1");
        state.write("/sys/fs/cgroup/cgroup.controllers", "cpu\n");
        state.write(CONFIGURATION, "kind: KubeletConfiguration\nfailSwapOn: false\nfailCgroupV1: false\n");
        state.write(KUBEADM, "KUBELET_KUBEADM_ARGS=\"--pod-infra-container-image=x\"\n");
        state.write("/etc/systemd/system/kubelet.service.d/20-site.conf", "[Service]\nEnvironment=X=--node-ip=1\n");
        let (host, _) = FakeHost::of(state, Arc::new(SystemClock));
        let said = gates(&host).await.unwrap();
        assert_eq!(
            (said.cgroup_v1, said.fail_cgroup_v1, said.swap, said.fail_swap_on),
            (false, Some(false), false, Some(false))
        );
        let flag = |name: &str| said.flags.iter().find(|flag| flag.name == name).map(|flag| flag.kubeadm);
        assert_eq!((flag("pod-infra-container-image"), flag("node-ip")), (Some(true), Some(false)));
    }
}
