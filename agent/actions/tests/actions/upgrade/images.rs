//! Images before they are needed.

use super::*;

fn pull(control_plane: bool, more: &[&str]) -> Wire {
    Wire::PullImages(types::PullImages {
        kubernetes: TO.into(),
        image_repository: "kube.test".into(),
        control_plane,
        more_images: more.iter().map(|image| (*image).to_owned()).collect(),
    })
}

fn pulled(machine: &Machine) -> Vec<String> {
    let effects = machine.handle.state().effects;
    effects.keys().filter_map(|effect| effect.strip_prefix("pull kube.test/").map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_worker_gets_its_three_and_a_master_all_and_what_else_was_named() {
    let worker = Machine::worker();
    worker.done(pull(false, &[]), "one").await;
    assert_eq!(pulled(&worker), ["coredns:v1.12.1", "kube-proxy:v1.34.4", "pause:3.10.1"]);
    assert!(worker.done(pull(false, &[]), "two").await.already_true);
    let master = Machine::master();
    master.done(pull(true, &["kube.test/etcd:3.5.26-0"]), "one").await;
    let pulled = pulled(&master);
    assert_eq!(pulled.len(), 8, "{pulled:?}");
    assert!(pulled.contains(&"etcd:3.5.26-0".to_owned()) && pulled.contains(&"etcd:3.6.5-0".to_owned()));
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_named_with_its_code_and_the_others_are_there() {
    let machine = Machine::worker();
    let missing = "kube.test/coredns:v1.12.1";
    machine.handle.change(|state| state.unpullable.insert(missing.into(), "not found".into()));
    let error = machine.apply(pull(false, &[]), "one").await.unwrap_err();
    let coded = error.coded();
    assert_eq!(coded.code, Code::IMAGE_PULL);
    assert!(coded.message.contains(missing) && coded.message.contains("not found"), "{coded}");
    assert!(coded.way_out.unwrap().contains("crictl pull"));
    assert_eq!(pulled(&machine).len(), 2, "one that is missing kept the others away");
    machine.handle.change(|state| state.unpullable.clear());
    machine.done(pull(false, &[]), "two").await;
    assert_eq!(machine.handle.effects("pull kube.test/pause:3.10.1"), 1, "an image that was there was pulled again");
}

#[tokio::test]
async fn a_kubeadm_of_another_version_names_no_images_and_a_silent_runtime_has_none() {
    let machine = Machine::worker();
    machine.handle.change(|state| state.kubeadm = Some("v1.33.13".into()));
    assert_eq!(machine.refused(pull(false, &[])).await.0, Code::UPGRADE_PROGRAM);
    machine.handle.change(|state| (state.kubeadm, state.runtime_up) = (Some(TO.into()), false));
    let (code, says) = machine.fails(pull(false, &[]), "one").await;
    assert_eq!(code, Code::HOST_IO);
    assert!(says.contains("does not answer"), "{says}");
}

#[tokio::test]
async fn a_pull_that_is_cancelled_stops() {
    let machine = Machine::worker();
    let operation = machine.operation("one");
    operation.cancelled.cancel();
    assert!(matches!(action(pull(false, &[])).apply(&machine.host, &operation).await, Err(Error::Cancelled { .. })));
    assert!(pulled(&machine).is_empty());
}
