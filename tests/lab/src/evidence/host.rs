//! What Kubernetes has left on a host, as the host's own programs tell it.

use anyhow::{Context as _, Result, ensure};

use crate::evidence::firewall;
use crate::host::Host;

/// The folders that a node fills. Files of theirs that a package owns stay with the package.
const FOLDERS: &str = "/etc/kubernetes /var/lib/kubelet /etc/cni/net.d /var/lib/cni /run/flannel";
/// Words: the paths that are somebody else's. Prints what is in the folders and belongs neither to a package nor to them.
const STRAYS: &str = r#"
owned=$(mktemp); cat /var/lib/dpkg/info/*.list | sort -u > "$owned"
for folder in $FOLDERS; do
  [ -d "$folder" ] || continue
  find "$folder" -mindepth 1 | sort | comm -23 - "$owned"
done | while read -r path; do
  for foreign in "$@"; do
    case "$path" in "$foreign"|"$foreign"/*) continue 2;; esac
    case "$foreign" in "$path"/*) continue 2;; esac
  done
  echo "$path"
done
rm -f "$owned"
"#;
const PROGRAMS: [&str; 9] = [
    "kubelet",
    "kube-proxy",
    "kube-apiserver",
    "kube-controller",
    "kube-scheduler",
    "flanneld",
    "containerd-shim",
    "pause",
    "coredns",
];

/// All that Kubernetes has left there, a line each. `foreign` are paths in its folders that are somebody else's.
pub(crate) fn host_traces(host: &Host, foreign: &[&str]) -> Result<Vec<String>> {
    let mut left = kubelet(host)?;
    for (what, list) in [("container", "containers"), ("task", "tasks")] {
        let listed = host.run_ok(&["ctr", "--namespace", "k8s.io", list, "list", "--quiet"])?;
        left.extend(listed.lines().map(|id| format!("{what} {id}")));
    }
    let script = format!("FOLDERS='{FOLDERS}'\n{STRAYS}");
    let strays = host.script("strays", &script, foreign)?;
    left.extend(strays.lines().map(|path| format!("file {path}")));
    left.extend(links(host)?);
    left.extend(firewall::kubernetes(host)?);
    let running = host.run_ok(&["ps", "-e", "-o", "comm="])?;
    left.extend(
        running
            .lines()
            .filter(|name| PROGRAMS.iter().any(|of| name.starts_with(of)))
            .map(|name| format!("process {name}")),
    );
    let mounts = host.run_ok(&["findmnt", "-rno", "TARGET"])?;
    left.extend(
        mounts.lines().filter(|path| path.starts_with("/var/lib/kubelet/")).map(|path| format!("mount {path}")),
    );
    Ok(left)
}

fn kubelet(host: &Host) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for (verb, wanted) in [("is-active", "inactive"), ("is-enabled", "masked")] {
        let said = host.run(&["systemctl", verb, "kubelet"])?.stdout;
        if said.trim() != wanted {
            left.push(format!("kubelet {verb}: {}", said.trim()));
        }
    }
    Ok(left)
}

/// Links of the network plugins, ends of pods' cables, and namespaces of pods. `host0` is the host's own cable.
fn links(host: &Host) -> Result<Vec<String>> {
    let listed = host.run_ok(&["ip", "-o", "link"])?;
    let names =
        listed.lines().filter_map(|line| line.split(": ").nth(1)).map(|name| name.split('@').next().unwrap_or(name));
    let ours =
        |name: &&str| *name == "cni0" || ["flannel", "kube-", "veth"].iter().any(|start| name.starts_with(start));
    let mut left: Vec<String> = names.filter(ours).map(|name| format!("link {name}")).collect();
    let spaces = host.run_ok(&["ip", "netns", "list"])?;
    left.extend(spaces.lines().filter(|name| name.starts_with("cni-")).map(|name| format!("namespace {name}")));
    Ok(left)
}

/// Every image and every plugin on a host: what must be there afterwards as before.
pub(crate) fn images(host: &Host) -> Result<(String, String)> {
    let images = host.run_ok(&["sh", "-ec", "ctr --namespace k8s.io images list --quiet | sort"])?;
    let plugins = host.run_ok(&["ls", "-lA", "--time-style=full-iso", "/opt/cni/bin"])?;
    ensure!(images.lines().count() > 2, "{} has no images: {images}", host.name());
    Ok((images, plugins))
}

/// Files with their content, mode and age, a line each.
pub(crate) fn foreign_files(host: &Host, paths: &[&str]) -> Result<Vec<String>> {
    // A pod's own attachment lies beside podman's and comes and goes with the pod.
    const SCRIPT: &str =
        r#"find "$@" -type f ! -name 'lab-bridge-*' -exec stat -c '%n %a %Y' {} + -exec sha256sum {} + | sort"#;
    let text = host.run_ok(&[&["sh", "-ec", SCRIPT, "files"], paths].concat())?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// How often `kubeadm reset` was called on a host, and that each call ended well.
pub(crate) fn resets(host: &Host) -> Result<usize> {
    let calls = host.kubeadm_calls()?;
    let resets: Vec<_> = calls.iter().filter(|call| call.argv.first().is_some_and(|verb| verb == "reset")).collect();
    ensure!(resets.iter().all(|call| call.exit == Some(0)), "a reset did not end well: {resets:?}");
    Ok(resets.len())
}

/// The number of a unit's own process; "0" while none runs.
pub(crate) fn main_pid(host: &Host, unit: &str) -> Result<String> {
    Ok(host.run_ok(&["systemctl", "show", "--property=MainPID", "--value", unit])?.trim().to_owned())
}

/// How often systemd has started a unit again since it was last started by hand.
pub(crate) fn restarts(host: &Host, unit: &str) -> Result<u32> {
    let said = host.run_ok(&["systemctl", "show", "--property=NRestarts", "--value", unit])?;
    said.trim().parse().with_context(|| format!("NRestarts of {unit} is {said:?}"))
}
