//! kubeadm upgrade and its bad days: what is believed is what the host shows afterwards.

use super::*;

const API_SERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const SCHEDULER: &str = "/etc/kubernetes/manifests/kube-scheduler.yaml";

#[tokio::test(start_paused = true)]
async fn the_first_master_is_upgraded_once_and_what_was_there_is_kept() {
    let machine = Machine::master();
    let (manifest, config) = (machine.text(API_SERVER), machine.text(CONFIG));
    let applied = machine.done(apply(), "one").await;
    assert!(!applied.already_true && applied.record[0].contains("ended with 0"), "{applied:?}");
    assert!(machine.text(API_SERVER).contains("kube-apiserver:v1.34.4"));
    assert_eq!(machine.text(&format!("{KEPT}/kube-apiserver.yaml")), manifest);
    assert_eq!(machine.text(&format!("{KEPT}/config.yaml")), config);
    assert_eq!(machine.handle.state().modes[Path::new(&format!("{KEPT}/kube-apiserver.yaml"))], 0o600);
    assert!(machine.done(apply(), "two").await.already_true);
    assert_eq!(machine.handle.effects(RUN), 1);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_upgraded_once_and_again_when_its_configuration_is_another() {
    let machine = Machine::worker();
    assert!(!machine.done(node(), "one").await.already_true, "a worker was believed without a mark");
    assert!(machine.done(node(), "two").await.already_true);
    machine.handle.change(|state| state.write(CONFIG, "kind: KubeletConfiguration\n"));
    assert!(!machine.done(node(), "three").await.already_true);
    assert_eq!(machine.handle.effects(RUN), 2);
}

#[tokio::test(start_paused = true)]
async fn a_master_that_somebody_upgraded_by_hand_is_left_alone() {
    let machine = Machine::master();
    machine.handle.change(|state| {
        for name in ["kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
            let path = format!("/etc/kubernetes/manifests/{name}.yaml");
            let text = state.text(&path).unwrap().replace("v1.33.13", TO);
            state.write(&path, &text);
        }
    });
    assert!(machine.done(apply(), "one").await.already_true);
    assert_eq!(machine.handle.effects(RUN), 0);
}

#[tokio::test(start_paused = true)]
async fn a_manifest_that_was_taken_away_in_the_middle_is_no_upgraded_one() {
    let machine = Machine::master();
    machine.done(apply(), "one").await;
    machine.handle.change(|state| state.files.remove(Path::new(SCHEDULER)));
    let check = action(apply()).check(&machine.host).await.unwrap();
    assert!(!check.satisfied);
    assert!(
        check.changes.iter().any(|change| change.what == SCHEDULER && change.detail.contains("nothing")),
        "{check:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_exit_of_0_without_an_effect_is_a_failure() {
    for (machine, wire) in [(Machine::master(), apply()), (Machine::worker(), node())] {
        machine.goes_wrong(UpgradeFault::NoEffect);
        let (code, says) = machine.fails(wire.clone(), "one").await;
        assert_eq!(code, Code::UPGRADE_KUBEADM);
        assert!(says.contains("ended with 0: ") && says.contains("/agent/output/"), "{says}");
        machine.done(wire, "two").await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_of_1_after_the_effect_is_done_on_a_worker_and_recorded() {
    let machine = Machine::worker();
    machine.goes_wrong(UpgradeFault::FailsAfterwards);
    let applied = machine.done(node(), "one").await;
    let record = applied.record.join("\n");
    assert!(record.contains("ended with 1") && record.contains("addon/coredns"), "{record}");
    assert!(machine.done(node(), "two").await.already_true);
    assert_eq!(machine.handle.effects(RUN), 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_master_an_exit_of_1_after_the_static_pods_is_a_reason_to_run_it_once_more() {
    let machine = Machine::master();
    machine.goes_wrong(UpgradeFault::FailsAfterwards);
    let applied = machine.done(apply(), "one").await;
    assert!(applied.record[0].contains("ended with 0"), "{applied:?}");
    assert_eq!(machine.handle.effects(RUN), 2);
    assert!(machine.done(apply(), "two").await.already_true);
}

/// The upgrade of a master that goes wrong in one way, and in the same one when it is run once more.
async fn goes_wrong_twice(machine: &Machine, fault: UpgradeFault) -> Result<Applied, Error> {
    machine.goes_wrong(fault);
    let handle = machine.handle.clone();
    let again = Progress::to(move |said| {
        if said.contains("once more") {
            handle.change(|state| state.upgrade_fault = Some(fault));
        }
    });
    let operation = OperationContext { progress: again, ..machine.operation("one") };
    action(apply()).apply(&machine.host, &operation).await
}

#[tokio::test(start_paused = true)]
async fn a_master_that_shows_all_of_it_is_done_whatever_kubeadm_says_twice() {
    let machine = Machine::master();
    let applied = goes_wrong_twice(&machine, UpgradeFault::FailsAfterwards).await.unwrap();
    let record = applied.record.join("\n");
    assert!(record.contains("ended with 1") && record.contains("addon/coredns"), "{record}");
    assert_eq!(machine.handle.effects(RUN), 2);
    assert!(machine.done(apply(), "two").await.already_true);
}

#[tokio::test(start_paused = true)]
async fn what_fails_right_after_the_static_pods_twice_is_no_upgraded_master_and_says_what_failed() {
    let machine = Machine::master();
    let error = goes_wrong_twice(&machine, UpgradeFault::FailsAfter(4)).await.unwrap_err();
    assert_eq!(error.coded().code, Code::UPGRADE_KUBEADM);
    let says = error.to_string();
    assert!(says.contains("ended with 1") && says.contains("timed out") && says.contains("failed"), "{says}");
    assert_eq!(machine.handle.effects(RUN), 2);
    assert!(!action(apply()).check(&machine.host).await.unwrap().satisfied);
    machine.done(apply(), "two").await;
}

#[tokio::test(start_paused = true)]
async fn a_late_failure_that_outlived_its_agent_is_run_once_more_too() {
    let machine = Machine::master();
    machine.handle.change(|state| state.reset_ms = 60_000);
    machine.goes_wrong(UpgradeFault::FailsAfterwards);
    machine.handle.inject("services.run_transient", 1, Fault::HangAfter);
    tokio::select! {
        _ = machine.apply(apply(), "one") => panic!("it did not hang"),
        () = machine.handle.hung() => {}
    }
    machine.done(apply(), "one").await;
    assert_eq!(machine.handle.effects(RUN), 2);
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_upgraded_in_part_is_told_in_words_and_finished_by_the_next_attempt() {
    let machine = Machine::master();
    let before = machine.text(SCHEDULER);
    machine.goes_wrong(UpgradeFault::FailsAfter(2));
    let (code, says) = machine.fails(apply(), "one").await;
    assert_eq!(code, Code::UPGRADE_HALF_DONE);
    assert!(says.contains("kube-apiserver is of v1.34.4, kube-controller-manager, kube-scheduler not yet"), "{says}");
    assert!(says.contains("timed out waiting"), "{says}");
    let check = action(apply()).check(&machine.host).await.unwrap();
    assert!(!check.satisfied && check.obstacles.is_empty(), "{check:?}");
    assert!(check.changes[0].detail.contains("goes on where it stopped"));
    machine.done(apply(), "two").await;
    assert_eq!(
        machine.text(&format!("{KEPT}/kube-scheduler.yaml")),
        before,
        "what was kept is not of before the first attempt"
    );
    assert!(machine.text(&format!("{KEPT}/kube-apiserver.yaml")).contains("v1.33.13"));
}

#[tokio::test(start_paused = true)]
async fn a_kubeadm_that_hangs_is_ended_at_its_limit_and_told_as_such() {
    let machine = Machine::master();
    let wire =
        upgrade(types::UpgradeKubeadm { first: true, control_plane: true, longest_s: 300, ..Default::default() });
    machine.goes_wrong(UpgradeFault::HangsAfter(2));
    let began = machine.clock.since_boot();
    let (code, says) = machine.fails(wire.clone(), "one").await;
    assert_eq!(code, Code::UPGRADE_HALF_DONE);
    assert!(says.contains("its limit of 5 min, with everything that it had started"), "{says}");
    let took = machine.clock.since_boot().saturating_sub(began);
    assert!((300..310).contains(&took.as_secs()), "{took:?}");
    machine.done(wire, "two").await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_whose_own_time_is_over_says_how_far_it_came() {
    let machine = Machine::master();
    machine.goes_wrong(UpgradeFault::HangsAfter(2));
    let mut operation = machine.operation("one");
    operation.deadline = machine.clock.since_boot() + Duration::from_secs(90);
    let error = action(apply()).apply(&machine.host, &operation).await.unwrap_err();
    assert!(error.to_string().contains("static pod") || error.to_string().contains("upgraded in part"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_kubeadm_put_back_itself_is_told_as_that_and_a_failed_preflight_is_not() {
    let machine = Machine::master();
    machine.goes_wrong(UpgradeFault::RollsBackAfter(2));
    let (code, says) = machine.fails(apply(), "one").await;
    assert_eq!(code, Code::UPGRADE_ROLLED_BACK);
    assert!(says.contains("kubeadm had changed kube-apiserver and put it back"), "{says}");
    machine.goes_wrong(UpgradeFault::FailsAfter(0));
    let (code, says) = machine.fails(apply(), "two").await;
    assert_eq!(code, Code::UPGRADE_KUBEADM);
    assert!(says.contains("no static pod was changed"), "{says}");
    machine.done(apply(), "three").await;
}

#[tokio::test(start_paused = true)]
async fn a_kubeadm_of_another_version_and_one_that_runs_already_are_obstacles() {
    let machine = Machine::master();
    machine.handle.change(|state| state.kubeadm = Some("v1.33.13".into()));
    let (code, says) = machine.refused(apply()).await;
    assert_eq!(code, Code::UPGRADE_PROGRAM);
    assert!(says.contains("v1.33.13") && says.contains(TO), "{says}");
    machine.handle.change(|state| {
        state.kubeadm = Some(TO.into());
        let pid = state.spawn("kubeadm", "/usr/bin/kubeadm");
        let by_hand = state.processes.iter_mut().find(|process| process.pid == pid).unwrap();
        by_hand.cmdline = ["kubeadm", "upgrade", "apply", TO].map(str::to_owned).to_vec();
    });
    assert_eq!(machine.refused(apply()).await.0, Code::UPGRADE_UNDER_WAY);
}

#[tokio::test(start_paused = true)]
async fn a_host_is_upgraded_only_as_what_it_is() {
    let as_worker = Machine::master().refused(node()).await;
    let as_master = upgrade(types::UpgradeKubeadm { control_plane: true, ..Default::default() });
    let as_master = Machine::worker().refused(as_master).await;
    assert_eq!((as_worker.0, as_master.0), (Code::UPGRADE_KUBEADM, Code::UPGRADE_KUBEADM));
    assert!(as_worker.1.contains("as a worker") && as_master.1.contains("as a control-plane node"));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_that_outlived_its_agent_is_followed_and_not_begun_again() {
    let machine = Machine::master();
    machine.handle.change(|state| state.reset_ms = 60_000);
    machine.handle.inject("services.run_transient", 1, Fault::HangAfter);
    tokio::select! {
        _ = machine.apply(apply(), "one") => panic!("it did not hang"),
        () = machine.handle.hung() => {}
    }
    let applied = machine.done(apply(), "one").await;
    assert!(applied.changes[0].detail.contains("earlier life"), "{applied:?}");
    assert_eq!(machine.handle.effects(RUN), 1);
    assert!(machine.done(apply(), "two").await.already_true);
}

#[tokio::test(start_paused = true)]
async fn with_every_single_call_failing_once_the_next_attempt_reaches_the_end() {
    let calls = [
        ("files.read", 12),
        ("files.write", 8),
        ("files.stamp", 12),
        ("files.make_folder", 2),
        ("processes.list", 4),
        ("kubeadm.version", 2),
        ("services.run_transient", 1),
        ("services.transient_status", 2),
        ("services.forget_transient", 1),
    ];
    for (call, most) in calls {
        for nth in 1..=most {
            for fault in [Fault::Fail, Fault::FailAfter] {
                let machine = Machine::master();
                machine.handle.inject(call, nth, fault);
                let _ = machine.apply(apply(), "one").await;
                let second = machine.apply(apply(), "one").await;
                let third = machine.apply(apply(), "two").await;
                assert!(second.is_ok() || third.is_ok(), "{call} {nth} {fault:?}: {second:?} {third:?}");
                assert!(machine.text(SCHEDULER).contains(TO), "{call} {nth} {fault:?}");
                assert!(
                    machine.text(&format!("{KEPT}/kube-scheduler.yaml")).contains("v1.33.13"),
                    "{call} {nth} {fault:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_few_generations_are_kept_and_a_reset_forgets_them_all() {
    let machine = Machine::worker();
    for patch in 1..=5 {
        let release = format!("v1.34.{patch}");
        machine.handle.change(|state| state.kubeadm = Some(release.clone()));
        machine
            .done(upgrade(types::UpgradeKubeadm { kubernetes: release.clone(), ..Default::default() }), &release)
            .await;
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    let folders = || {
        let state = machine.handle.state();
        let below = |path: &&std::path::PathBuf| path.parent() == Some(Path::new("/var/lib/slipway/agent/upgrade"));
        let names =
            state.files.keys().filter(below).map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(folders(), ["v1.34.3", "v1.34.4", "v1.34.5"]);
    machine.done(Wire::ResetKubeadm(types::ResetKubeadm::default()), "reset").await;
    assert!(folders().is_empty(), "a host that left keeps what was before an upgrade");
}
