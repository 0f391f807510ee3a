//! A host that was a node once: somebody has removed the packages, kubeadm with them, and left the files.

use std::path::{Path, PathBuf};

use slipway_errors::Code;
use slipway_host::Mount;
use slipway_host::fake::{Fault, Node, State, preset};

use crate::asked::{host_in, operation};
use crate::worker::{KUBEADM, essence, reset};

type Way = fn(&mut State);

/// A host that was a master: somebody has removed the packages, and left the files.
fn abandoned() -> State {
    let mut state = preset::bare("w9");
    for (path, text) in [
        ("/etc/kubernetes/kubelet.conf", ""),
        ("/etc/kubernetes/admin.conf", ""),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "kind: Pod\n"),
        ("/etc/kubernetes/pki/ca.key", "secret"),
        ("/etc/kubernetes/pki/etcd/ca.key", "secret"),
        ("/etc/kubernetes/own.txt", "mine"),
        ("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n"),
        ("/var/lib/etcd/member/wal/0.wal", "precious"),
    ] {
        state.write(path, text);
    }
    state
}

#[tokio::test]
async fn a_host_that_has_lost_its_kubeadm_is_emptied_as_kubeadm_would_and_of_nothing_else() {
    let (host, handle) = host_in(abandoned());
    let check = reset().check(&host).await.unwrap();
    assert!(check.obstacles.is_empty(), "{check:?}");
    let told: Vec<String> = check.changes.iter().map(|one| format!("{} {}", one.verb, one.what)).collect();
    let expected = [
        "empty /etc/kubernetes/manifests",
        "empty /etc/kubernetes/pki",
        "empty /var/lib/kubelet",
        "remove /etc/kubernetes/admin.conf",
        "remove /etc/kubernetes/kubelet.conf",
    ];
    assert_eq!(told, expected);
    // Cut off in the middle, it goes on with what is left.
    handle.inject("files.remove", 3, Fault::FailAfter);
    assert!(reset().apply(&host, &operation("one")).await.is_err());
    let applied = reset().apply(&host, &operation("two")).await.unwrap();
    assert!(applied.record[0].contains("there is no kubeadm"), "{applied:?}");
    let left: Vec<String> = handle.see(|state| {
        let ours = |path: &&PathBuf| path.starts_with("/etc/kubernetes") || path.starts_with("/var/lib/kubelet");
        state.files.keys().filter(ours).map(|path| path.display().to_string()).collect()
    });
    let kept = [
        "/etc/kubernetes",
        "/etc/kubernetes/manifests",
        "/etc/kubernetes/own.txt",
        "/etc/kubernetes/pki",
        "/var/lib/kubelet",
    ];
    assert_eq!(left, kept);
    assert_eq!(
        handle.see(|state| state.text("/var/lib/etcd/member/wal/0.wal").map(str::to_owned)).as_deref(),
        Some("precious")
    );
    assert!(reset().apply(&host, &operation("three")).await.unwrap().already_true);
    assert_eq!(handle.effects(KUBEADM), 0);
}

#[tokio::test]
async fn while_anything_of_a_host_without_kubeadm_lives_its_files_stay() {
    let ways: [(Way, &str); 4] = [
        (|state| _ = state.spawn("kube-apiserver", "/usr/local/bin/kube-apiserver"), "kube-apiserver"),
        (|state| _ = state.spawn("etcd", "/usr/bin/etcd"), "etcd"),
        (|state| _ = state.spawn("kubelet", "/opt/bin/kubelet"), "kubelet"),
        (|state| drop(state.files.remove(Path::new("/run/containerd/containerd.sock"))), "containerd"),
    ];
    for (way, what) in ways {
        let (host, handle) = host_in(abandoned());
        handle.change(way);
        let before = essence(&handle);
        let error = reset().apply(&host, &operation("reset")).await.unwrap_err().coded();
        assert_eq!(error.code, Code::HOST_KUBEADM);
        assert!(error.message.contains(what) && error.message.contains("kubeadm is not installed"), "{error}");
        assert_eq!(essence(&handle), before);
    }
}

#[tokio::test]
async fn mounts_links_and_data_of_an_etcd_stop_a_reset_without_kubeadm() {
    let mount = |state: &mut State| {
        state.write("/var/lib/kubelet/pods/x/data", "precious");
        let point = "/var/lib/kubelet/pods/x".into();
        state.mounts.push(Mount { mount_point: point, fs_type: "nfs4".into(), source: "nas:/x".into() });
    };
    let link = |state: &mut State| {
        for path in state.below(Path::new("/etc/kubernetes/pki")) {
            state.files.remove(&path);
        }
        state.write("/srv/pki/ca.key", "precious");
        state.files.insert("/etc/kubernetes/pki".into(), Node::Symlink("/srv/pki".into()));
    };
    let etcd = |state: &mut State| state.write("/var/lib/kubelet/etcd/member/wal/0.wal", "precious");
    let ways: [(Way, Code); 3] =
        [(mount, Code::HOST_MOUNTED_BELOW), (link, Code::HOST_SYMLINK), (etcd, Code::HOST_LEFTOVERS)];
    for (way, code) in ways {
        let (host, handle) = host_in(abandoned());
        handle.change(way);
        let before = essence(&handle);
        assert_eq!(reset().apply(&host, &operation("reset")).await.unwrap_err().coded().code, code);
        assert_eq!(essence(&handle), before);
    }
}
