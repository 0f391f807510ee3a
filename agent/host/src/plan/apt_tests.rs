//! What apt and dpkg really say, word by word, and what is made of it.

use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn what_is_installed_is_told_from_what_was_removed_or_broken_off() {
    let said = "kubeadm\t1.33.3-1.1\thold\tok\tinstalled\nkubectl\t1.33.3-1.1\thold\tok\thalf-configured\n\
        kubelet\t1.34.4-1.1\tdeinstall\tok\tconfig-files\nkubernetes-cni\t\tunknown\tok\tnot-installed\n\
        vim\t9.0\tinstall\treinstreq\tinstalled\nman-db\t2.11\tinstall\tok\ttriggers-pending\n";
    let all = statuses(said);
    let held = Package { name: "kubeadm".into(), version: "1.33.3-1.1".into(), held: true };
    assert_eq!(installed(&all), [held]);
    let broken: Vec<&str> = all.iter().filter(|one| one.broken()).map(|one| one.name.as_str()).collect();
    assert_eq!(broken, ["kubectl", "vim"]);
}

const MADISON: &str = "   kubelet | 1.34.4-1.1 | https://pkgs.k8s.io/core:/stable:/v1.34/deb  Packages\n   kubelet | 1.34.3-1.1 | https://pkgs.k8s.io/core:/stable:/v1.34/deb  Packages\n   kubelet | 1.34.4-1.1 | file:/mirror  Packages\nkubernetes-cni | 1.7.1-1.1 | https://pkgs.k8s.io/core:/stable:/v1.34/deb  Packages\n    source | 1.0-1 | http://deb.debian.org/debian bookworm/main Sources\n";

#[test]
fn versions_are_listed_newest_first_and_once() {
    let offer = madison(MADISON);
    assert_eq!(offer["kubelet"], ["1.34.4-1.1", "1.34.3-1.1"]);
    assert_eq!(offer.keys().collect::<Vec<_>>(), ["kubelet", "kubernetes-cni"]);
}

#[test]
fn a_version_is_found_by_its_beginning_and_never_by_a_likeness() {
    let offer = madison(MADISON);
    let chosen = choose(&offer, &names(&["kubelet", "kubernetes-cni"]), "1.34.3").unwrap();
    let exact = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    assert_eq!(chosen, [exact("kubelet", "1.34.3-1.1"), exact("kubernetes-cni", "1.7.1-1.1")]);
    assert_eq!(choose(&offer, &names(&["kubelet", "kubeadm"]), "1.34.4"), Err("kubeadm".into()));
    assert_eq!(choose(&offer, &names(&["kubelet"]), "1.34.40"), Err("kubelet".into()));
    assert!(of_release("1.34.4-1.1", "1.34.4") && !of_release("1.34.40-1.1", "1.34.4"));
    assert!(!of_release("1:528.0.0-0", "1.34.4") && !of_release("1.34.4", "1.34.4"));
}

#[test]
fn a_transaction_asks_nobody_removes_nothing_and_keeps_changed_files() {
    let command = install(&[("kubelet".into(), "1.34.4-1.1".into())], false);
    let words = command.argv.join(" ");
    for wanted in ["--yes", "--no-remove", "--allow-downgrades", "--force-confold", "--allow-change-held-packages"] {
        assert!(words.contains(wanted), "{wanted} is missing: {words}");
    }
    assert!(words.ends_with(" kubelet=1.34.4-1.1") && !words.contains("--download-only"), "{words}");
    let frontend = command.environment.iter().find(|(name, _)| name == "DEBIAN_FRONTEND");
    assert!(frontend.is_some_and(|(_, value)| value == "noninteractive"));
    assert!(command.environment.iter().any(|(name, _)| name == "NEEDRESTART_SUSPEND"));
    assert!(install(&[], true).argv.contains(&"--download-only".to_owned()));
}

#[test]
fn only_the_lists_of_one_file_are_read() {
    let words = refresh(Path::new(SOURCE)).argv.join(" ");
    assert!(words.contains("Dir::Etc::sourcelist=/etc/apt/sources.list.d/slipway-kubernetes.sources"), "{words}");
    assert!(words.contains("sourceparts=/dev/null") && words.contains("List-Cleanup=0"), "{words}");
}

#[test]
fn what_would_go_besides_is_named() {
    let said = "Reading package lists...\nRemv kubeadm [1.33.3-1.1]\nRemv site-tools [2.0] [kubelet:amd64 ]\nRemv kubelet [1.33.3-1.1]\n";
    assert_eq!(removed_besides(said, &names(&["kubelet", "kubeadm"])), ["site-tools"]);
}

#[test]
fn what_lies_on_the_host_need_not_be_fetched() {
    let said = "'http://m/v1.33/deb/./kubernetes-cni_1.33.0-1.1_amd64.deb' kubernetes-cni_1.33.0-1.1_amd64.deb 588 MD5Sum:2e\n'file:/opt/repo/./kubelet_1.33.4-1.1_amd64.deb' kubelet_1.33.4-1.1_amd64.deb 728 MD5Sum:d4\n";
    assert_eq!(to_fetch(said), ["kubernetes-cni"]);
}

#[test]
fn apts_own_words_hint_at_the_trouble() {
    let hints = [
        (
            "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem.",
            Trouble::Broken,
        ),
        ("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 19848 (python3)", Trouble::Locked),
        (
            "E: Failed to fetch file:/m/kubeadm.deb  Hash Sum mismatch\nE: Unable to fetch some archives",
            Trouble::Corrupt,
        ),
        (
            "W: GPG error: https://m InRelease: NO_PUBKEY 82C3\nE: The repository 'https://m InRelease' is not signed.",
            Trouble::Unsigned,
        ),
        ("E: The repository 'file:/m  Release' does not have a Release file.", Trouble::Unreachable),
        ("E: Failed to fetch http://m/InRelease  Could not resolve 'm'", Trouble::Unreachable),
        ("E: Version '1.33.9-1.1' for 'kubelet' was not found", Trouble::Missing),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", Trouble::NoRoom),
    ];
    for (said, trouble) in hints {
        assert_eq!(hint(said), Some(trouble), "{said}");
    }
    assert_eq!(hint("Reading package lists..."), None);
}
