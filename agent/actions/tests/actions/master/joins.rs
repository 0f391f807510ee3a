//! A host becomes a master: what it needs beside the command, what is left on its disk, and when it counts as one.

use slipway_errors::Code;
use slipway_host::fake::{JoinStop, Joinable};
use slipway_types::Secret;

use super::*;

const TOKEN: &str = "abcdef.0123456789abcdef";

fn key() -> String {
    "0f".repeat(32)
}

fn hash() -> String {
    format!("sha256:{}", "ab".repeat(32))
}

fn upload() -> Box<dyn Perform> {
    action(Wire::UploadCertificates(types::UploadCertificates::default()))
}

fn join() -> Box<dyn Perform> {
    action(Wire::JoinKubeadm(types::JoinKubeadm {
        api_server: "10.70.0.10:6443".into(),
        ca_cert_hashes: vec![hash()],
        node_name: "m4".into(),
        control_plane: true,
        advertise_address: "10.70.0.14".into(),
        ..Default::default()
    }))
}

async fn with(action: &dyn Perform, host: &Host, secret: &str) -> Result<Applied, Error> {
    action.apply(host, &OperationContext { secret: Secret::new(secret), ..operation(action.name()) }).await
}

/// Three masters, and a fourth machine that sees the cluster as the first one's upload leaves it.
async fn uploaded() -> (Masters, Host, FakeHandle) {
    let masters = Masters::new();
    with(&*upload(), masters.host(1), &key()).await.unwrap();
    let certificates = masters.handle(1).see(|state| state.uploaded.clone());
    let (host, handle) = FakeHost::sharing(preset::machine("m4"), Arc::new(SystemClock), &masters.etcd);
    let cluster =
        Joinable { tokens: [TOKEN.to_owned()].into(), ca_cert_hash: hash(), certificates, ..Joinable::default() };
    handle.change(|state| state.clusters = [("10.70.0.10:6443".to_owned(), cluster)].into());
    (masters, host, handle)
}

fn secrets_left(handle: &FakeHandle) -> Vec<String> {
    let files = handle.state().files;
    let holds = |text: &str| text.contains(&key()) || text.contains(TOKEN);
    let left = files.iter().filter(|(_, node)| matches!(node, slipway_host::fake::Node::File(text) if holds(text)));
    left.map(|(path, _)| path.display().to_string()).collect()
}

#[tokio::test]
async fn a_host_with_token_and_key_becomes_a_voting_member_and_neither_lies_about() {
    let (masters, host, handle) = uploaded().await;
    let applied = with(&*join(), &host, &format!("{TOKEN}\n{}", key())).await.unwrap();
    assert!(!applied.already_true);
    let cluster = masters.etcd.cluster();
    assert!(cluster.named("m4").is_some_and(|member| member.runs && !member.learner));
    assert!(join().check(&host).await.unwrap().satisfied);
    assert_eq!(secrets_left(&handle), Vec::<String>::new());
    assert_eq!(secrets_left(masters.handle(1)), Vec::<String>::new());
    let argv: Vec<String> = handle.state().transients.values().flat_map(|run| run.transient.argv.clone()).collect();
    assert!(!argv.concat().contains(&key()), "{argv:?}");
}

#[tokio::test]
async fn without_the_key_nothing_is_begun_and_another_key_opens_nothing() {
    let (masters, host, handle) = uploaded().await;
    for secret in ["", TOKEN, &key()] {
        let error = with(&*join(), &host, secret).await.unwrap_err();
        assert_eq!(error.coded().code, Code::AGENT_BAD_ARGUMENT, "{error}");
    }
    assert_eq!(handle.effects("run /usr/bin/kubeadm join"), 0);
    let error = with(&*join(), &host, &format!("{TOKEN}\n{}", "1e".repeat(32))).await.unwrap_err();
    assert_eq!(error.coded().code, Code::HOST_KUBEADM, "{error}");
    assert_eq!(masters.etcd.cluster().members.len(), 3);
    let error = with(&*upload(), masters.host(1), "no key").await.unwrap_err();
    assert_eq!(error.coded().code, Code::AGENT_BAD_ARGUMENT, "{error}");
    let error = with(&*upload(), &host, &key()).await.unwrap_err();
    assert_eq!(error.coded().code, Code::HOST_KUBEADM, "a host that is no master uploaded something");
}

#[tokio::test]
async fn a_join_that_stopped_at_a_learner_is_no_join_and_says_what_is_missing() {
    for (stop, word) in
        [(JoinStop::Added, "etcd.yaml"), (JoinStop::Learner, "learner"), (JoinStop::Promoted, "kube-scheduler")]
    {
        let (_masters, host, handle) = uploaded().await;
        handle.change(|state| state.join_stops = Some(stop));
        let error = with(&*join(), &host, &format!("{TOKEN}\n{}", key())).await.unwrap_err();
        assert_eq!(error.coded().code, Code::HOST_KUBEADM, "{stop:?}: {error}");
        let found = join().check(&host).await.unwrap();
        let said: Vec<String> = found.changes.iter().map(|one| format!("{} {}", one.what, one.detail)).collect();
        assert!(!found.satisfied && said.join(", ").contains(word), "{stop:?}: {said:?}");
        assert_eq!(found.obstacles[0].code, Code::HOST_LEFTOVERS.as_str(), "it would be joined over what is left");
        assert_eq!(secrets_left(&handle), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_address_that_the_host_does_not_have_is_in_the_way() {
    let (_masters, host, _handle) = uploaded().await;
    let wire = types::JoinKubeadm {
        api_server: "10.70.0.10:6443".into(),
        ca_cert_hashes: vec![hash()],
        node_name: "m4".into(),
        control_plane: true,
        advertise_address: "10.70.0.99".into(),
        ..Default::default()
    };
    let found = action(Wire::JoinKubeadm(wire)).check(&host).await.unwrap();
    assert!(found.obstacles.iter().any(|one| one.what == "10.70.0.99"), "{:?}", found.obstacles);
}
