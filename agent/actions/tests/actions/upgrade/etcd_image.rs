//! etcd to a later patch release by its image, before an upgrade that wants it.

use super::*;

const MANIFEST: &str = "/etc/kubernetes/manifests/etcd.yaml";
const NEW: &str = "kube.test/etcd:3.5.26-0";

/// Three masters with one etcd; the first is the one that is worked on.
fn masters() -> (Machine, SharedEtcd, Vec<Machine>) {
    let etcd = SharedEtcd::new();
    let clock: Arc<dyn Clock> = Arc::new(Passing(tokio::time::Instant::now()));
    let mut all = ["m1", "m2", "m3"].map(|name| {
        let (host, handle) = FakeHost::sharing(preset::master(name), clock.clone(), &etcd);
        Machine { host, handle, clock: clock.clone() }
    });
    let others = all[1..].iter_mut().map(|other| Machine {
        host: other.host.clone(),
        handle: other.handle.clone(),
        clock: clock.clone(),
    });
    let others = others.collect();
    let [first, ..] = all;
    (first, etcd, others)
}

fn set(image: &str) -> Wire {
    Wire::SetEtcdImage(types::SetEtcdImage { image: image.into() })
}

fn version(etcd: &SharedEtcd, name: &str) -> String {
    let cluster = etcd.cluster();
    cluster.version_of(cluster.named(name).unwrap().id)
}

#[tokio::test(start_paused = true)]
async fn a_member_answers_with_the_new_version_and_the_old_manifest_is_kept() {
    let (machine, etcd, _others) = masters();
    let before = machine.text(MANIFEST);
    let applied = machine.done(set(NEW), "one").await;
    assert!(applied.record[0].contains("/etc/kubernetes/slipway-kept/etcd.yaml"), "{applied:?}");
    assert_eq!(machine.text(MANIFEST), before.replace("3.5.24-0", "3.5.26-0"));
    assert_eq!((version(&etcd, "m1").as_str(), version(&etcd, "m2").as_str()), ("3.5.26", "3.5.24"));
    assert_eq!(machine.handle.effects(&format!("pull {NEW}")), 1);
    assert!(machine.done(set(NEW), "two").await.already_true);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_does_not_live_with_it_gets_its_manifest_back() {
    let (machine, etcd, _others) = masters();
    let before = machine.text(MANIFEST);
    machine.handle.change(|state| state.sick_images.insert(NEW.into()));
    let (code, says) = machine.fails(set(NEW), "one").await;
    assert_eq!(code, Code::UPGRADE_ETCD_IMAGE);
    assert!(says.contains("was put back, and the member is healthy with it"), "{says}");
    assert!(says.contains("no container of"), "{says}");
    assert_eq!(machine.text(MANIFEST), before);
    assert_eq!(version(&etcd, "m1"), "3.5.24");
    assert!(etcd.cluster().named("m1").unwrap().is_healthy());
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_misses_a_call_while_the_member_is_waited_for_is_no_sick_member() {
    for call in ["runtime.containers", "runtime.image", "etcd.member_status", "etcd.quorum_read"] {
        let (machine, etcd, _others) = masters();
        // The first look of all is asked before anything is changed, and has to be answered.
        let first = machine.handle.clone();
        let operation = OperationContext {
            progress: Progress::to(move |said| {
                if said.starts_with("waiting for etcd") {
                    first.inject(call, 1, Fault::Fail);
                    first.inject(call, 2, Fault::Fail);
                }
            }),
            ..machine.operation("one")
        };
        let applied = action(set(NEW)).apply(&machine.host, &operation).await;
        assert!(applied.is_ok(), "{call}: {applied:?}");
        assert_eq!(version(&etcd, "m1"), "3.5.26", "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_sick_with_the_old_image_too_is_told_as_that() {
    let (machine, _etcd, _others) = masters();
    machine.handle.change(|state| state.sick_images.extend([NEW.into(), "kube.test/etcd:3.5.24-0".into()]));
    let (code, says) = machine.fails(set(NEW), "one").await;
    assert_eq!(code, Code::UPGRADE_ETCD_IMAGE);
    assert!(says.contains("was put back, and the member is not healthy with it after 240 s"), "{says}");
}

#[tokio::test(start_paused = true)]
async fn an_image_that_cannot_be_had_changes_nothing() {
    let (machine, _etcd, _others) = masters();
    let before = machine.text(MANIFEST);
    machine.handle.change(|state| state.unpullable.insert(NEW.into(), "not found".into()));
    assert_eq!(machine.fails(set(NEW), "one").await.0, Code::IMAGE_PULL);
    assert_eq!(machine.text(MANIFEST), before);
}

#[tokio::test(start_paused = true)]
async fn another_minor_release_an_older_patch_and_an_etcd_of_systemd_are_refused() {
    let (machine, _etcd, _others) = masters();
    for (image, why) in
        [("kube.test/etcd:3.6.5-0", "another minor release"), ("kube.test/etcd:3.5.20-0", "brought back")]
    {
        let (code, says) = machine.refused(set(image)).await;
        assert_eq!(code, Code::UPGRADE_ETCD_IMAGE);
        assert!(says.contains(why), "{says}");
    }
    let unit = Machine::of(preset::external_etcd("m1"));
    let (code, says) = unit.refused(set(NEW)).await;
    assert_eq!(code, Code::UPGRADE_ETCD_IMAGE);
    assert!(says.contains("not kubeadm's"), "{says}");
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_majority_is_not_restarted() {
    let (machine, _etcd, others) = masters();
    for other in &others {
        other.handle.change(State::power_off);
    }
    assert_eq!(machine.refused(set(NEW)).await.0, Code::ETCD_SILENT);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_cut_off_is_finished_by_the_next() {
    let (machine, etcd, _others) = masters();
    machine.handle.inject("files.write", 2, Fault::HangAfter);
    tokio::select! {
        _ = machine.apply(set(NEW), "one") => panic!("it did not hang"),
        () = machine.handle.hung() => {}
    }
    machine.apply(set(NEW), "two").await.unwrap();
    assert_eq!(version(&etcd, "m1"), "3.5.26");
}
