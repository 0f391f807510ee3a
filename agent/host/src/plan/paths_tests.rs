//! Tests of the file removals with plain lists, apart from the code for the sake of its length.

use super::*;
use crate::Profiles;
use crate::plan::scope::ConfigFile;

fn entry(path: &str) -> Entry {
    let (path, kind) = match path.strip_suffix('/') {
        Some(folder) => (folder, EntryKind::Directory),
        None if path.ends_with('@') => (path.trim_end_matches('@'), EntryKind::Symlink),
        None => (path, EntryKind::File),
    };
    Entry { path: path.into(), kind, mount_point: false }
}

fn planned(configs: &[(&str, &str)], trees: &[&[&str]], owned: &[&str], results: &[&str]) -> Vec<String> {
    let profiles = Profiles::embedded().unwrap();
    let configs: Vec<ConfigFile> =
        configs.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
    let scope = Scope::new(profiles.all().iter().collect(), &configs, &[]);
    let tree = |paths: &&[&str]| {
        let entries: Vec<Entry> = paths.iter().map(|path| entry(path)).collect();
        (entries[0].path.clone(), entries)
    };
    let present = Present {
        trees: trees.iter().map(tree).collect(),
        results: results.iter().map(PathBuf::from).collect(),
        owned: owned.iter().map(PathBuf::from).collect(),
    };
    let plan = removals(&scope, &present);
    plan.groups.into_iter().flat_map(|(_, paths)| paths).map(|path| path.display().to_string()).collect()
}

#[test]
fn what_a_package_owns_stays_with_the_folders_above_it() {
    let gone = planned(
        &[],
        &[&[
            "/etc/kubernetes/",
            "/etc/kubernetes/kubelet.conf",
            "/etc/kubernetes/manifests/",
            "/etc/kubernetes/pki/",
            "/etc/kubernetes/pki/ca.crt",
        ]],
        &["/etc/kubernetes", "/etc/kubernetes/manifests"],
        &[],
    );
    assert_eq!(gone, ["/etc/kubernetes/pki/ca.crt", "/etc/kubernetes/pki", "/etc/kubernetes/kubelet.conf"]);
}

#[test]
fn an_unowned_folder_with_an_owned_file_deep_in_it_stays() {
    let gone = planned(
        &[],
        &[&[
            "/var/lib/kubelet/",
            "/var/lib/kubelet/a/",
            "/var/lib/kubelet/a/b/",
            "/var/lib/kubelet/a/b/owned",
            "/var/lib/kubelet/a/x",
        ]],
        &["/var/lib/kubelet/a/b/owned"],
        &[],
    );
    assert_eq!(gone, ["/var/lib/kubelet/a/x"]);
}

#[test]
fn podmans_configuration_and_addresses_stay() {
    let gone = planned(
        &[
            (
                "/etc/cni/net.d/10-bridge.conflist",
                r#"{"name":"lab-bridge","plugins":[{"type":"bridge","bridge":"cni0"}]}"#,
            ),
            (
                "/etc/cni/net.d/87-podman-bridge.conflist",
                r#"{"name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0"}]}"#,
            ),
        ],
        &[
            &["/etc/cni/net.d/", "/etc/cni/net.d/10-bridge.conflist", "/etc/cni/net.d/87-podman-bridge.conflist"],
            &[
                "/var/lib/cni/",
                "/var/lib/cni/networks/",
                "/var/lib/cni/networks/lab-bridge/",
                "/var/lib/cni/networks/lab-bridge/10.244.1.2",
                "/var/lib/cni/networks/podman/",
                "/var/lib/cni/networks/podman/10.88.0.5",
                "/var/lib/cni/results/",
                "/var/lib/cni/results/lab-bridge-6e3f-eth0",
                "/var/lib/cni/results/podman-77aa-eth0",
            ],
        ],
        &[],
        &["/var/lib/cni/results/lab-bridge-6e3f-eth0"],
    );
    assert_eq!(
        gone,
        [
            "/var/lib/cni/results/lab-bridge-6e3f-eth0",
            "/var/lib/cni/networks/lab-bridge/10.244.1.2",
            "/var/lib/cni/networks/lab-bridge",
            "/etc/cni/net.d/10-bridge.conflist",
        ]
    );
}

#[test]
fn without_others_the_plugins_folder_goes_too() {
    let gone = planned(
        &[],
        &[&[
            "/var/lib/cni/",
            "/var/lib/cni/networks/",
            "/var/lib/cni/networks/cbr0/",
            "/var/lib/cni/networks/cbr0/lock",
        ]],
        &[],
        &[],
    );
    assert_eq!(
        gone,
        ["/var/lib/cni/networks/cbr0/lock", "/var/lib/cni/networks/cbr0", "/var/lib/cni/networks", "/var/lib/cni"]
    );
}

#[test]
fn a_state_folder_within_another_root_does_not_keep_it() {
    let gone = planned(
        &[],
        &[
            &["/var/lib/cni/flannel/", "/var/lib/cni/flannel/6e3f"],
            &["/var/lib/cni/", "/var/lib/cni/flannel/", "/var/lib/cni/flannel/6e3f"],
        ],
        &[],
        &[],
    );
    assert_eq!(gone, ["/var/lib/cni/flannel/6e3f", "/var/lib/cni/flannel", "/var/lib/cni"]);
}

#[test]
fn a_mount_point_is_never_listed() {
    let profiles = Profiles::embedded().unwrap();
    let scope = Scope::new(profiles.all().iter().collect(), &[], &[]);
    let root = Entry { mount_point: true, ..entry("/var/lib/kubelet/") };
    let present = Present {
        trees: [("/var/lib/kubelet".into(), vec![root, entry("/var/lib/kubelet/x@")])].into(),
        ..Present::default()
    };
    let plan = removals(&scope, &present);
    assert_eq!(plan.groups, [(PathBuf::from(KUBELET), vec![PathBuf::from("/var/lib/kubelet/x")])]);
    assert_eq!(plan.changes[0].detail, "a link; what it leads to stays");
}

#[test]
fn a_users_mount_is_no_mount_of_the_kubelets() {
    let mount = |point: &str| Mount { mount_point: point.into(), fs_type: "tmpfs".into(), source: "tmpfs".into() };
    let pod = "/var/lib/kubelet/pods/0f3a4b5c-0000-4000-8000-123456789abc";
    for ours in [
        "volumes/kubernetes.io~projected/kube-api-access-x",
        "volumes/kubernetes.io~csi/pvc-1/mount",
        "volume-subpaths/config/app/0",
    ] {
        assert!(is_the_kubelets(&mount(&format!("{pod}/{ours}"))), "{ours}");
    }
    for theirs in [
        "/var/lib/kubelet/data",
        "/var/lib/kubelet/pods/mine",
        "/var/lib/kubelet/plugins/x",
        "/var/lib/kubelet",
        "/data",
    ] {
        assert!(!is_the_kubelets(&mount(theirs)), "{theirs}");
    }
    assert!(!is_the_kubelets(&mount(&format!("{pod}/volumes/mine"))));
    assert!(!is_the_kubelets(&mount(&format!("{pod}/volumes/kubernetes.io~secret/token/deeper"))));
    let obstacles = mounted_below(
        &["/var/lib/kubelet".into()],
        &[mount("/var/lib/kubelet"), mount("/var/lib/kubelet/data"), mount("/var/lib/kubelet2/x")],
    );
    assert_eq!(obstacles.len(), 1);
    assert!(obstacles[0].explain.contains("umount /var/lib/kubelet/data"));
}
