//! Packages come, change and go on the fake machine: what is held stays held, what is the operator's is put back, and each kind of trouble is
//! told by its own code before or after, never by the exit code alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use slipway_actions::{Applied, Error, OperationContext, Perform, Progress, packages};
use slipway_errors::Code;
use slipway_host::fake::{FakeHandle, FakeHost, Fault, Node, State, preset};
use slipway_host::{Enablement, Holder, Host};
use slipway_proto::agent::PackagesQuery;
use slipway_proto::types::action::Action as Wire;
use slipway_proto::types::{self};
use slipway_types::{ManualClock, Timestamp};

use crate::asked::{action, host_in, operation};

const URL: &str = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/";
const OLD_FILE: &str = "/etc/apt/sources.list.d/kubernetes.list";
const OUR_FILE: &str = "/etc/apt/sources.list.d/slipway-kubernetes.sources";
const APT_INSTALL: &str = "run /usr/bin/apt-get install";

fn repository(minor: &str) -> Box<dyn Perform> {
    let (url, key) = (URL.replace("1.34", minor), preset::REPOSITORY_KEY.to_owned());
    action(Wire::SetRepository(types::SetRepository { minor: minor.into(), url, key, keyring: String::new() }))
}

fn as_before() -> Box<dyn Perform> {
    action(Wire::SetRepository(types::SetRepository { minor: "1.34".into(), ..Default::default() }))
}

fn install(kubernetes: &str, names: &[&str]) -> Box<dyn Perform> {
    let packages = names.iter().map(|name| (*name).to_owned()).collect();
    action(Wire::InstallPackages(types::InstallPackages {
        kubernetes: kubernetes.into(),
        packages,
        only_download: false,
    }))
}

fn fetch(kubernetes: &str) -> Box<dyn Perform> {
    let (kubernetes, packages) = (kubernetes.into(), vec![]);
    action(Wire::InstallPackages(types::InstallPackages { kubernetes, packages, only_download: true }))
}

fn remove() -> Box<dyn Perform> {
    action(Wire::RemovePackages(types::RemovePackages::default()))
}

async fn applied(host: &Host, action: &dyn Perform) -> Applied {
    let applied = action.apply(host, &operation(action.name())).await;
    applied.unwrap_or_else(|error| panic!("{}: {}", action.name(), error.coded()))
}

async fn code(host: &Host, action: &dyn Perform) -> Code {
    action.apply(host, &operation(action.name())).await.unwrap_err().coded().code
}

fn versions(handle: &FakeHandle) -> Vec<String> {
    handle.see(|state| {
        let all = state.packaging.installed.values();
        all.map(|one| format!("{} {}{}", one.name, one.version, if one.held { " held" } else { "" })).collect()
    })
}

#[tokio::test]
async fn a_bare_host_gets_all_four_in_one_transaction_and_they_are_held() {
    let (host, handle) = host_in(preset::bare("w9"));
    applied(&host, &*repository("1.34")).await;
    let done = applied(&host, &*install("1.34.4", &[])).await;
    let all = [
        "kubeadm 1.34.4-1.1 held",
        "kubectl 1.34.4-1.1 held",
        "kubelet 1.34.4-1.1 held",
        "kubernetes-cni 1.7.1-1.1 held",
    ];
    assert_eq!(versions(&handle), all);
    assert_eq!(handle.effects(APT_INSTALL), 1, "not in one transaction");
    assert!(done.changes.iter().any(|change| change.what == "kubelet" && change.verb == "install"));
    let state = handle.state();
    assert_eq!((state.kubeadm.as_deref(), state.kubelet.as_deref()), (Some("v1.34.4"), Some("v1.34.4")));
    let again = applied(&host, &*install("1.34.4", &[])).await;
    assert!(again.already_true && handle.effects(APT_INSTALL) == 1);
}

#[tokio::test]
async fn one_package_is_upgraded_alone_and_its_hold_is_put_back() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| state.packaging.installed.get_mut("kubectl").unwrap().held = false);
    applied(&host, &*repository("1.34")).await;
    applied(&host, &*install("1.34.4", &["kubeadm"])).await;
    let now = versions(&handle);
    assert_eq!(now[0], "kubeadm 1.34.4-1.1 held", "the hold was lost: {now:?}");
    assert_eq!(now[2], "kubelet 1.33.13-1.1 held", "another package was changed: {now:?}");
    applied(&host, &*install("1.34.4", &["kubelet", "kubectl"])).await;
    let now = versions(&handle);
    assert_eq!(now[1], "kubectl 1.34.4-1.1", "what was not held is held now: {now:?}");
    assert_eq!(now[2], "kubelet 1.34.4-1.1 held");
}

#[tokio::test]
async fn the_way_back_is_the_lower_version_from_its_own_repository() {
    let (host, handle) = host_in(preset::worker("w2"));
    let before = versions(&handle);
    applied(&host, &*repository("1.34")).await;
    applied(&host, &*install("1.34.4", &[])).await;
    applied(&host, &*as_before()).await;
    let back = install("1.33.13", &[]);
    let check = back.check(&host).await.unwrap();
    assert!(check.changes.iter().any(|change| change.verb == "downgrade" && change.what == "kubelet"), "{check:?}");
    applied(&host, &*back).await;
    assert_eq!(versions(&handle), before);
}

#[tokio::test]
async fn an_operators_own_file_is_moved_aside_by_name_and_put_back_as_it_was() {
    let (host, handle) = host_in(preset::worker("w2"));
    let before = handle.see(|state| state.files[Path::new(OLD_FILE)].clone());
    let check = repository("1.34").check(&host).await.unwrap();
    assert!(check.changes.iter().any(|change| change.what == OLD_FILE && change.verb == "move aside"), "{check:?}");
    applied(&host, &*repository("1.34")).await;
    assert!(handle.see(|state| !state.files.contains_key(Path::new(OLD_FILE))), "two repositories side by side");
    assert!(applied(&host, &*repository("1.34")).await.already_true);
    applied(&host, &*as_before()).await;
    assert_eq!(handle.see(|state| state.files[Path::new(OLD_FILE)].clone()), before);
    let ours = |path: &Path| path.to_string_lossy().contains("slipway") && path != Path::new("/var/lib/slipway");
    let left = handle.see(|state| state.files.keys().filter(|path| ours(path)).cloned().collect::<Vec<_>>());
    assert!(left.is_empty(), "something of ours is left: {left:?}");
    assert!(applied(&host, &*as_before()).await.already_true);
}

#[tokio::test]
async fn a_file_that_somebody_wrote_again_stays_and_so_does_the_copy_of_the_earlier_one() {
    let (host, handle) = host_in(preset::worker("w2"));
    let text = |path: &str| handle.see(|state| state.text(path).map(str::to_owned));
    let earlier = text(OLD_FILE);
    applied(&host, &*repository("1.34")).await;
    let second = "deb https://pkgs.k8s.io/core:/stable:/v1.32/deb/ /\n";
    handle.change(|state| state.write(OLD_FILE, second));
    let aside = format!("{OLD_FILE}.before-slipway.disabled");
    let done = applied(&host, &*as_before()).await;
    assert!(done.record.iter().any(|line| line.contains(OLD_FILE) && line.contains(&aside)), "{done:?}");
    assert_eq!((text(OLD_FILE).as_deref(), text(&aside)), (Some(second), earlier.clone()));
    assert!(applied(&host, &*as_before()).await.already_true);
    // Moved aside once more, it takes nobody's place.
    let done = applied(&host, &*repository("1.34")).await;
    let numbered = format!("{OLD_FILE}.before-slipway-1.disabled");
    assert!(done.record.iter().any(|line| line.contains(&numbered)), "{done:?}");
    assert_eq!((text(&aside).as_deref(), text(&numbered)), (Some(second), earlier));
    applied(&host, &*as_before()).await;
    assert_eq!((text(OLD_FILE).as_deref(), text(&aside)), (Some(second), None));
}

#[tokio::test]
async fn a_move_that_was_cut_off_leaves_no_copy_behind() {
    let (host, handle) = host_in(preset::worker("w2"));
    let aside = format!("{OLD_FILE}.before-slipway.disabled");
    let earlier = handle.see(|state| state.text(OLD_FILE).unwrap().to_owned());
    handle.change(|state| state.write(&aside, &earlier));
    let check = as_before().check(&host).await.unwrap();
    assert!(check.changes.iter().any(|change| change.what == aside && change.verb == "remove"), "{check:?}");
    applied(&host, &*as_before()).await;
    assert_eq!(
        handle.see(|state| (state.text(OLD_FILE).map(str::to_owned), state.text(&aside).is_none())),
        (Some(earlier), true)
    );
}

#[tokio::test]
async fn a_file_that_not_everybody_may_read_is_for_the_same_eyes_aside_and_afterwards() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| state.modes.insert(OLD_FILE.into(), 0o600));
    applied(&host, &*repository("1.34")).await;
    let aside = format!("{OLD_FILE}.before-slipway.disabled");
    assert_eq!(handle.see(|state| state.modes[Path::new(&aside)]), 0o600);
    applied(&host, &*as_before()).await;
    assert_eq!(handle.see(|state| state.modes[Path::new(OLD_FILE)]), 0o600);
}

#[tokio::test]
async fn what_a_mirror_is_entered_with_stands_in_its_file_and_is_told_to_nobody() {
    let with = |minor: &str| format!("https://user:secret@mirror.example/k8s/v{minor}/deb/");
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| {
        state.write(OLD_FILE, &format!("deb {} /\n", with("1.33")));
        state.write("/etc/apt/sources.list", &format!("deb http://x/ main\ndeb {} /\n", with("1.32")));
    });
    let (minor, key) = ("1.34".to_owned(), preset::REPOSITORY_KEY.to_owned());
    let wire = types::SetRepository { url: with("1.34"), minor, key, keyring: String::new() };
    let set = action(Wire::SetRepository(wire.clone()));
    let check = set.check(&host).await.unwrap();
    let told = format!("{check:?} {:?}", set.by_hand());
    assert!(told.contains("//mirror.example/k8s/v1.34") && told.contains("v1.33") && told.contains("v1.32"), "{told}");
    assert!(!told.contains("secret"), "{told}");
    handle.change(|state| state.write("/etc/apt/sources.list", ""));
    let said = Arc::new(std::sync::Mutex::new(String::new()));
    let heard = said.clone();
    let progress = Progress::to(move |sentence| heard.lock().unwrap().push_str(&sentence));
    let error = set.apply(&host, &OperationContext { progress, ..operation("set") }).await.unwrap_err().coded();
    assert_eq!(error.code, Code::PACKAGE_REPOSITORY);
    assert!(error.message.contains("//mirror.example/") && !error.message.contains("secret"), "{error}");
    assert!(!said.lock().unwrap().contains("secret"), "{said:?}");
    assert!(handle.see(|state| state.text(OUR_FILE).unwrap().contains(&with("1.34"))));
    let query = PackagesQuery { url: wire.url, key: wire.key, keyring: String::new() };
    let error = packages(&host, query).await.unwrap_err();
    assert!(error.message.contains("mirror.example") && !error.message.contains("secret"), "{error}");
}

#[tokio::test]
async fn an_operators_own_file_that_is_right_stays() {
    let (host, handle) = host_in(preset::worker("w2"));
    assert!(applied(&host, &*repository("1.33")).await.already_true);
    assert!(handle.see(|state| state.files.contains_key(Path::new(OLD_FILE))));
    assert!(!handle.see(|state| state.files.contains_key(Path::new(OUR_FILE))));
}

#[tokio::test]
async fn a_file_that_names_other_things_too_is_left_to_its_owner() {
    let (host, handle) = host_in(preset::worker("w2"));
    let list = "deb https://deb.debian.org/debian bookworm main\ndeb https://pkgs.k8s.io/core:/stable:/v1.33/deb/ /\n";
    handle.change(|state| {
        state.files.remove(Path::new(OLD_FILE));
        state.write("/etc/apt/sources.list", list);
    });
    assert_eq!(code(&host, &*repository("1.34")).await, Code::PACKAGE_OTHER_SOURCE);
    assert!(handle.see(|state| !state.files.contains_key(Path::new(OUR_FILE))), "refused means: nothing was done");
}

#[rstest]
#[case::down(|state: &mut State| mirror(state).down = true, Code::PACKAGE_REPOSITORY)]
#[case::other_key(|state: &mut State| mirror(state).key = "another".into(), Code::PACKAGE_SIGNATURE)]
#[tokio::test]
async fn a_repository_that_cannot_be_read_is_told_by_its_cause(#[case] how: fn(&mut State), #[case] expected: Code) {
    let (host, handle) = host_in(preset::bare("w9"));
    handle.change(how);
    assert_eq!(code(&host, &*repository("1.34")).await, expected);
    let query = PackagesQuery { url: URL.into(), key: preset::REPOSITORY_KEY.into(), keyring: String::new() };
    assert_eq!(packages(&host, query).await.unwrap_err().code, expected);
}

fn mirror(state: &mut State) -> &mut slipway_host::fake::Mirror {
    state.packaging.mirrors.get_mut(URL.trim_end_matches('/')).unwrap()
}

#[rstest]
#[case::damaged(|state: &mut State| { mirror(state).damaged.insert("kubelet".into()); }, Code::PACKAGE_CORRUPT)]
#[case::down(|state: &mut State| mirror(state).down = true, Code::PACKAGE_REPOSITORY)]
#[case::full(|state: &mut State| state.packaging.full = true, Code::PACKAGE_NO_ROOM)]
#[case::broken(|state: &mut State| { state.packaging.broken.insert("vim".into()); }, Code::PACKAGE_BROKEN)]
#[tokio::test]
async fn an_installation_that_cannot_be_changes_nothing_and_says_why(
    #[case] how: fn(&mut State),
    #[case] expected: Code,
) {
    for fetched_first in [false, true] {
        let (host, handle) = host_in(preset::worker("w2"));
        applied(&host, &*repository("1.34")).await;
        handle.change(how);
        let before = versions(&handle);
        let action = if fetched_first { fetch("1.34.4") } else { install("1.34.4", &[]) };
        assert_eq!(code(&host, &*action).await, expected);
        assert_eq!(versions(&handle), before);
    }
}

#[tokio::test]
async fn an_unknown_version_is_told_with_what_there_is() {
    let (host, _) = host_in(preset::worker("w2"));
    applied(&host, &*repository("1.34")).await;
    let error = install("1.34.99", &[]).apply(&host, &operation("x")).await.unwrap_err().coded();
    assert_eq!(error.code, Code::PACKAGE_VERSION);
    assert!(error.message.contains("1.34.4-1.1"), "{error}");
}

#[tokio::test]
async fn what_was_fetched_is_installed_while_the_mirror_is_down() {
    let (host, handle) = host_in(preset::worker("w2"));
    applied(&host, &*repository("1.34")).await;
    applied(&host, &*fetch("1.34.4")).await;
    assert!(applied(&host, &*fetch("1.34.4")).await.already_true);
    assert!(versions(&handle)[2].contains("1.33.13"), "fetching installed something");
    handle.change(|state| mirror(state).down = true);
    applied(&host, &*install("1.34.4", &[])).await;
    assert_eq!(versions(&handle)[2], "kubelet 1.34.4-1.1 held");
}

#[tokio::test]
async fn a_lock_is_waited_for_and_its_holder_named() {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let (host, handle) = FakeHost::of(preset::worker("w2"), clock.clone());
    let holder = Holder { pid: 612, comm: "unattended-upgr".into() };
    handle.change(|state| state.packaging.holder = Some(holder));
    let said = Arc::new(std::sync::Mutex::new(Vec::new()));
    let heard = said.clone();
    let context = OperationContext {
        clock: clock.clone(),
        deadline: Duration::from_hours(1),
        progress: Progress::to(move |sentence| heard.lock().unwrap().push(sentence)),
        ..operation("lock")
    };
    let action = repository("1.34");
    let waiting = action.apply(&host, &context);
    let world = async {
        while said.lock().unwrap().iter().all(|sentence: &String| !sentence.contains("unattended-upgr (process 612)")) {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_mins(6));
    };
    let (result, ()) = tokio::join!(waiting, world);
    let error = result.unwrap_err().coded();
    assert_eq!(error.code, Code::PACKAGE_LOCKED);
    assert!(error.message.contains("unattended-upgr (process 612)"), "{error}");
    assert_eq!(handle.effects("run /usr/bin/apt-get update"), 0);
}

#[tokio::test]
async fn packages_go_with_their_mask_and_other_peoples_packages_stay() {
    let (host, handle) = host_in(preset::waiting("w2"));
    handle.change(|state| state.packaging.needing.insert("site-tools".into(), "kubelet".into()));
    assert_eq!(code(&host, &*remove()).await, Code::PACKAGE_NEEDED);
    handle.change(|state| state.packaging.needing.clear());
    applied(&host, &*remove()).await;
    assert_eq!(versions(&handle), Vec::<String>::new());
    let state = host.services.state("kubelet.service").await.unwrap();
    assert_eq!(state.enablement, Enablement::NotFound, "a mask is left of a unit that is gone");
    assert!(applied(&host, &*remove()).await.already_true);
}

#[tokio::test]
async fn a_node_keeps_its_packages() {
    let (host, handle) = host_in(preset::worker("w2"));
    let before = versions(&handle);
    assert_eq!(code(&host, &*remove()).await, Code::HOST_LEFTOVERS);
    assert_eq!(versions(&handle), before);
}

#[tokio::test]
async fn needrestart_is_told_to_leave_the_kubelet_alone() {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.change(|state| state.directory("/etc/needrestart/conf.d"));
    applied(&host, &*install("1.33.13", &[])).await;
    let file = handle.see(|state| state.files.get(Path::new("/etc/needrestart/conf.d/slipway-kubelet.conf")).cloned());
    assert!(matches!(file, Some(Node::File(text)) if text.contains("kubelet")));
    assert_eq!(handle.effects(APT_INSTALL), 0);
}

#[tokio::test]
async fn what_needrestart_was_told_goes_with_the_kubelet_also_where_nothing_was_installed_in_the_end() {
    let file = "/etc/needrestart/conf.d/slipway-kubelet.conf";
    let scan = || action(Wire::ScanLeftovers(types::ScanLeftovers {}));
    let of = |check: slipway_actions::Check| check.changes.iter().any(|one| one.what == file && one.verb == "remove");
    // An agent that was cut off between its file and its packages, or between the packages' end and the file's.
    for clean in [remove(), action(Wire::CleanFiles(types::CleanFiles::default()))] {
        let (host, handle) = host_in(preset::bare("w9"));
        handle.change(|state| state.write(file, "# Written by slipway-agent\n"));
        assert!(of(scan().check(&host).await.unwrap()) && of(clean.check(&host).await.unwrap()), "{}", clean.name());
        applied(&host, &*clean).await;
        assert!(handle.see(|state| state.text(file).is_none()), "{}", clean.name());
        assert!(scan().check(&host).await.unwrap().satisfied && applied(&host, &*clean).await.already_true);
    }
    let (host, handle) = host_in(preset::waiting("w2"));
    handle.change(|state| state.write(file, "# Written by slipway-agent\n"));
    assert!(!of(scan().check(&host).await.unwrap()), "the kubelet's package is there and needs it");
    let only = Wire::RemovePackages(types::RemovePackages { packages: vec!["kubectl".into()] });
    applied(&host, &*action(only)).await;
    assert!(handle.see(|state| state.text(file).is_some()), "the kubelet is still there");
}

#[tokio::test]
async fn an_agent_that_dies_while_apt_runs_finds_it_again_and_the_holds_too() {
    let (host, handle) = host_in(preset::worker("w2"));
    applied(&host, &*repository("1.34")).await;
    handle.inject("services.run_transient", 1, Fault::HangAfter);
    let action = install("1.34.4", &[]);
    let first = operation("r1/install/1");
    tokio::select! {
        _ = action.apply(&host, &first) => panic!("it was to hang"),
        () = handle.hung() => {}
    }
    assert!(versions(&handle)[2] == "kubelet 1.34.4-1.1", "the hold is lost with the transaction");
    action.apply(&host, &operation("r1/install/1")).await.unwrap();
    assert_eq!(versions(&handle)[2], "kubelet 1.34.4-1.1 held");
    assert_eq!(handle.effects(APT_INSTALL), 1, "a second apt was started");
}

/// Every single call fails once, before or after its effect: tried again it ends as if nothing had been.
#[tokio::test]
async fn every_failure_can_be_tried_again() {
    let calls = [
        "packages.installed",
        "packages.broken",
        "packages.holder",
        "packages.known",
        "packages.sources",
        "packages.hold",
        "files.write",
        "files.remove",
        "files.read",
        "files.make_folder",
        "services.run_transient",
        "services.forget_transient",
    ];
    let mut met = 0;
    for call in calls {
        for fault in [Fault::Fail, Fault::FailAfter] {
            for nth in 1..6 {
                met += u32::from(one_failure(call, nth, fault).await);
            }
        }
    }
    assert!(met > 60, "only {met} of the faults were met");
}

async fn one_failure(call: &str, nth: u64, fault: Fault) -> bool {
    let (host, handle) = host_in(preset::worker("w2"));
    handle.inject(call, nth, fault);
    let mut met = false;
    for action in [repository("1.34"), fetch("1.34.4"), install("1.34.4", &["kubeadm"]), install("1.34.4", &[])] {
        for attempt in 1..3 {
            let id = format!("{}/{attempt}", action.name());
            match action.apply(&host, &operation(&id)).await {
                Ok(_) => break,
                Err(Error::Host(_) | Error::NotReached { .. }) if attempt == 1 => met = true,
                Err(error) => panic!("{call} {nth} {fault:?}: {}: {}", action.name(), error.coded()),
            }
        }
    }
    let all = versions(&handle);
    assert!(all.iter().all(|one| one.ends_with(" held")), "{call} {nth} {fault:?}: {all:?}");
    met
}

#[tokio::test]
async fn a_look_at_a_repository_switches_nothing() {
    let (host, handle) = host_in(preset::worker("w2"));
    let before = handle.state();
    let query = PackagesQuery { url: URL.into(), key: preset::REPOSITORY_KEY.into(), keyring: String::new() };
    let answer = packages(&host, query).await.unwrap();
    let kubelet = answer.offered.iter().find(|one| one.name == "kubelet").unwrap();
    assert_eq!(kubelet.versions, ["1.34.4-1.1", "1.34.3-1.1"]);
    assert!(answer.installed.iter().any(|one| one.name == "kubelet" && one.version == "1.33.13-1.1" && one.held));
    assert_eq!(answer.sources[0].path, OLD_FILE);
    assert_eq!(handle.state(), before);
    let without = packages(&host, PackagesQuery::default()).await.unwrap();
    assert!(without.offered.is_empty() && without.installed.len() == 4);
    let no_key = PackagesQuery { url: URL.into(), ..Default::default() };
    assert!(packages(&host, no_key).await.is_ok(), "the keyring that is there serves");
}

#[tokio::test]
async fn nothing_is_left_over_on_a_bare_host() {
    let (host, _) = host_in(preset::bare("w9"));
    let scan = action(Wire::ScanLeftovers(types::ScanLeftovers {}));
    let check = scan.check(&host).await.unwrap();
    assert!(check.satisfied, "{check:?}");
}
