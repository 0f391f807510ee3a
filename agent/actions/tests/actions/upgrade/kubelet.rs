//! The kubelet after its package was upgraded, and the way back.

use super::*;

fn with_new_kubelet(machine: &Machine) {
    machine.handle.change(|state| state.kubelet = Some(TO.into()));
}

fn pid(machine: &Machine, comm: &str) -> Option<u32> {
    machine.handle.state().processes.iter().find(|process| process.comm == comm).map(|process| process.pid)
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_of_the_old_program_is_restarted_once_and_its_static_pods_start_anew() {
    let machine = Machine::master();
    with_new_kubelet(&machine);
    let before = (pid(&machine, "kubelet"), pid(&machine, "etcd"));
    let check = action(restart()).check(&machine.host).await.unwrap();
    assert!(check.changes[0].detail.contains("not the one that is installed"), "{check:?}");
    let applied = machine.done(restart(), "one").await;
    assert!(applied.record[0].contains("is well"), "{applied:?}");
    let after = (pid(&machine, "kubelet"), pid(&machine, "etcd"));
    assert!(after.0.is_some() && after.0 != before.0 && after.1 != before.1, "{before:?} {after:?}");
    assert!(machine.done(restart(), "two").await.already_true);
    assert_eq!(machine.handle.effects("restart kubelet.service"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_has_not_read_its_configuration_is_restarted() {
    let machine = Machine::worker();
    with_new_kubelet(&machine);
    machine.done(restart(), "one").await;
    machine.done(node(), "kubeadm").await;
    let check = action(restart()).check(&machine.host).await.unwrap();
    assert!(check.changes[0].detail.contains("before its configuration was written"), "{check:?}");
    machine.done(restart(), "two").await;
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_of_another_version_or_under_a_mask_is_an_obstacle() {
    let machine = Machine::worker();
    assert_eq!(machine.refused(restart()).await.0, Code::UPGRADE_PROGRAM);
    with_new_kubelet(&machine);
    machine.host.services.mask("kubelet.service").await.unwrap();
    assert_eq!(machine.refused(restart()).await.0, Code::HOST_SERVICE);
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_does_not_live_is_told_with_its_last_words() {
    let old_host = Machine::worker();
    with_new_kubelet(&old_host);
    let words = "kubelet is configured to not run on a host using cgroup v1";
    old_host.handle.change(|state| state.kubelet_dies.insert(TO.into(), words.into()));
    let (code, says) = old_host.fails(restart(), "one").await;
    assert_eq!(code, Code::UPGRADE_KUBELET);
    assert!(says.contains(words) && says.contains("activating"), "{says}");

    let old_flag = Machine::worker();
    let kubernetes = "v1.35.1";
    old_flag.handle.change(|state| {
        state.kubelet = Some(kubernetes.into());
        let flags = state.text(FLAGS).unwrap().replace("ARGS=\"", "ARGS=\"--pod-infra-container-image=x ");
        state.write(FLAGS, &flags);
    });
    let restart = Wire::RestartKubelet(types::RestartKubelet { kubernetes: kubernetes.into() });
    let (code, says) = old_flag.fails(restart.clone(), "one").await;
    assert_eq!(code, Code::UPGRADE_KUBELET);
    assert!(says.contains("unknown flag: --pod-infra-container-image"), "{says}");
    old_flag.handle.change(|state| {
        let flags = state.text(FLAGS).unwrap().replace("--pod-infra-container-image=x ", "");
        state.write(FLAGS, &flags);
    });
    old_flag.done(restart, "two").await;
}

#[tokio::test(start_paused = true)]
async fn what_the_kubelet_was_configured_with_comes_back_and_the_upgrade_is_open_again() {
    let machine = Machine::worker();
    let before = (machine.text(CONFIG), machine.text(FLAGS));
    machine.done(node(), "one").await;
    assert_ne!(machine.text(CONFIG), before.0);
    machine.handle.change(|state| state.write(FLAGS, "KUBELET_KUBEADM_ARGS=\"--v=9\"\n"));
    let applied = machine.done(back(), "back").await;
    assert_eq!(applied.record.len(), 2, "{applied:?}");
    assert_eq!((machine.text(CONFIG), machine.text(FLAGS)), before);
    assert!(machine.done(back(), "again").await.already_true);
    assert!(!machine.done(node(), "two").await.already_true, "a kubelet that went back was believed to be upgraded");
    machine.done(back(), "back again").await;
    assert_eq!(machine.text(CONFIG), before.0);
}

#[tokio::test(start_paused = true)]
async fn a_way_back_that_was_cut_off_is_finished() {
    for (call, nth) in [("files.write", 1), ("files.write", 2), ("files.write", 3)] {
        let machine = Machine::worker();
        let before = machine.text(CONFIG);
        machine.done(node(), "one").await;
        machine.handle.change(|state| state.write(FLAGS, "KUBELET_KUBEADM_ARGS=\"--v=9\"\n"));
        machine.handle.inject(call, nth, Fault::FailAfter);
        assert!(machine.apply(back(), "back").await.is_err());
        machine.done(back(), "again").await;
        assert_eq!(machine.text(CONFIG), before, "{call} {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_upgrade_of_ours_there_is_no_way_back() {
    let machine = Machine::worker();
    assert_eq!(machine.refused(back()).await.0, Code::UPGRADE_NOTHING_KEPT);
    machine.done(node(), "one").await;
    let other = Wire::RollBackKubelet(types::RollBackKubelet { kubernetes: "1.35.1".into(), ..Default::default() });
    let (code, says) = machine.refused(other).await;
    assert_eq!(code, Code::UPGRADE_NOTHING_KEPT);
    assert!(says.contains("v1.35.1"), "{says}");
}

async fn noted(machine: &Machine) -> (String, String) {
    let answer =
        slipway_actions::packages(&machine.host, slipway_proto::agent::PackagesQuery::default()).await.unwrap();
    answer.last_upgrade.map(|last| (last.to, last.from)).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn which_kubelet_there_was_before_is_noted_once_and_kept_over_further_attempts() {
    let machine = Machine::worker();
    assert_eq!(noted(&machine).await, (String::new(), String::new()));
    let before = machine.handle.state().kubelet.unwrap();
    machine.goes_wrong(UpgradeFault::NoEffect);
    let _ = machine.apply(node(), "one").await;
    with_new_kubelet(&machine);
    machine.handle.change(|state| state.upgrade_fault = None);
    machine.done(node(), "two").await;
    assert_eq!(noted(&machine).await, (TO.to_owned(), before.clone()));
    machine.done(back(), "back").await;
    machine.done(node(), "three").await;
    assert_eq!(noted(&machine).await, (TO.to_owned(), before));
}

fn back_to(before: &str) -> Wire {
    Wire::RollBackKubelet(types::RollBackKubelet { before: before.into(), ..Default::default() })
}

/// Upgraded to that release, its kubelet with it.
async fn upgraded(machine: &Machine, release: &str) {
    machine.handle.change(|state| state.kubeadm = Some(release.into()));
    let kubernetes = release.to_owned();
    machine.done(upgrade(types::UpgradeKubeadm { kubernetes, ..Default::default() }), release).await;
    machine.handle.change(|state| state.kubelet = Some(release.into()));
    tokio::time::advance(Duration::from_mins(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_back_twice_gets_what_each_release_was_configured_with() {
    let machine = Machine::worker();
    let first = machine.text(CONFIG);
    upgraded(&machine, "v1.34.4").await;
    let second = machine.text(CONFIG);
    upgraded(&machine, "v1.35.0").await;
    assert!(first != second && second != machine.text(CONFIG));
    machine.done(back_to("1.34.4"), "to the second").await;
    assert_eq!(machine.text(CONFIG), second);
    machine.handle.change(|state| state.kubelet = Some("v1.34.4".into()));
    assert_eq!(noted(&machine).await, ("v1.34.4".to_owned(), "v1.33.13".to_owned()), "what was taken back is over");
    machine.done(back_to("1.33.13"), "to the first").await;
    assert_eq!(machine.text(CONFIG), first, "it was given what another release was configured with");
    assert!(machine.done(back_to("v1.33.13"), "again").await.already_true);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_goes_back_by_two_has_undone_both_and_to_what_is_unknown_it_does_not_go() {
    let machine = Machine::worker();
    let first = machine.text(CONFIG);
    upgraded(&machine, "v1.34.4").await;
    upgraded(&machine, "v1.35.0").await;
    let (code, says) = machine.refused(back_to("1.32.9")).await;
    assert_eq!(code, Code::UPGRADE_NOTHING_KEPT);
    assert!(says.contains("an upgrade from v1.32.9") && says.contains("from v1.34.4 to v1.35.0"), "{says}");
    machine.done(back_to("1.33.13"), "by two").await;
    assert_eq!(machine.text(CONFIG), first);
    let noted = machine.text("/var/lib/slipway/agent/upgrade/v1.35.0/record.json");
    assert!(noted.contains("\"taken_back\": true"), "{noted}");
    // What an older agent has kept does not say what it is of.
    let record = "/var/lib/slipway/agent/upgrade/v1.34.4/record.json";
    let older = machine.text(record).replace("\"from\": \"v1.33.13\",", "");
    machine.handle.change(|state| state.write(record, &older));
    assert_eq!(machine.refused(back_to("1.33.13")).await.0, Code::UPGRADE_NOTHING_KEPT);
}
