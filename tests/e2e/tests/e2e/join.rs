//! A host joins: what is found before anything changes, what is left of a join that fails, and that a token never outlives its use.

use serde_json::{Value, json};
use slipway_cluster::fake::objects::deployment;
use slipway_coordinator::boot::Coordinator;
use slipway_coordinator::bootstrap_tokens;
use slipway_coordinator::fleet::HostState;
use slipway_e2e::link::Approver;
use slipway_e2e::runs::{begun, completes, ends, until};
use slipway_e2e::sites::{Sites, host_id};
use slipway_e2e::upgrades::masters_done;
use slipway_e2e::workload;
use slipway_errors::Code;
use slipway_events::{Actor, RunState};
use slipway_flow::Command;
use slipway_host::fake::State;
use slipway_proto::coordinator::{CreateBootstrapTokenRequest, DeleteBootstrapTokenRequest};
use slipway_types::secret::is_bootstrap_token;
use slipway_types::{RunId, StepId};

/// The host of w2 waits, and a coordinator leads.
async fn waiting() -> (Sites, Coordinator) {
    let sites = Sites::build().await.unwrap();
    sites.waiting("w2").await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    (sites, coordinator)
}

fn join(version: &str) -> Value {
    json!({"nodes": ["w2"], "role": "worker", "kubernetes": version})
}

fn tokens(sites: &Sites) -> usize {
    sites.api.objects("secrets").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_host_becomes_a_worker_and_no_token_is_left() {
    let (sites, coordinator) = waiting().await;
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert!(node.ready && !node.unschedulable);
    assert_eq!(coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap().state, HostState::InService);
    assert_eq!((tokens(&sites), sites.api.count("create", "secrets")), (0, 1));
    let machine = &sites.site("w2").unwrap().machine;
    assert_eq!(machine.effects("run /usr/bin/kubeadm join"), 1);
    assert!(machine.see(|state| state.below(std::path::Path::new("/run/slipway")).is_empty()), "the token lies about");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    let refused = async |params: Value| begun(&coordinator, "join", params).await.unwrap_err().code;
    assert_eq!(refused(join("1.34.4")).await, Code::JOIN_VERSION, "newer than the API server");
    assert_eq!(refused(join("1.33.99")).await, Code::PACKAGE_VERSION, "not what a repository has");
    assert_eq!(
        refused(json!({"nodes": ["w1"], "role": "worker", "kubernetes": "1.33.13"})).await,
        Code::JOIN_NAME_TAKEN
    );
    assert_eq!(
        refused(json!({"nodes": ["w2"], "role": "king", "kubernetes": "1.33.13"})).await,
        Code::RUN_BAD_PARAMETER
    );
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.write("/etc/kubernetes/pki/ca.crt", "of another cluster"));
    assert_eq!(refused(join("1.33.13")).await, Code::HOST_LEFTOVERS);
    machine.change(|state| {
        state.files.remove(std::path::Path::new("/etc/kubernetes/pki/ca.crt"));
        state.identity.machine_id = "000000000000000000000000000000w1".into();
    });
    assert_eq!(refused(join("1.33.13")).await, Code::NODE_IDENTITY, "a cloned disk");
    machine.change(|state| state.identity.machine_id = "000000000000000000000000000000w2".into());
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_leaves_a_clean_host_and_no_token() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    // kubeadm comes as far as a kubelet that runs, and is told no by the API server.
    machine.change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::HOST_KUBEADM.as_str()), "{}", book.why);
    assert_eq!(tokens(&sites), 0);
    assert_eq!(coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap(), None);
    let clean = coordinator.runs.plan("join", &join("1.33.13"), &Actor("a".into())).await;
    assert!(clean.is_ok(), "the host is not as it was: {:?}", clean.err());
}

/// The run of a join of w2 with marks.
fn marked() -> Value {
    json!({
        "nodes": ["w2"], "role": "worker", "kubernetes": "1.33.13",
        "labels": ["pool=web"], "annotations": ["example.com/owner=me"], "taints": ["dedicated=db:NoSchedule"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_as_new_as_some_masters_alone_is_refused_whichever_of_them_answers() {
    let (sites, coordinator) = waiting().await;
    masters_done(&sites, &["m1", "m2"]);
    sites.agents.keep_in_step();
    sites.api.says_version("v1.34.4");
    let refused = begun(&coordinator, "join", join("1.34.4")).await.unwrap_err();
    assert!(refused.code == Code::JOIN_VERSION && refused.message.contains("m3"), "{refused}");
    masters_done(&sites, &["m3"]);
    let run = begun(&coordinator, "join", join("1.34.4")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_machine_in_the_place_of_the_enrolled_one_is_refused_though_its_node_says_the_same() {
    let sites = Sites::build().await.unwrap();
    let coordinator = sites.coordinator(sites.store().unwrap()).await.unwrap();
    sites.site("w2").unwrap().machine.change(|state| state.identity.machine_id = "f".repeat(32));
    sites.agents.keep_in_step();
    let refused = begun(&coordinator, "scale-in", json!({"nodes": ["w2"], "force": true})).await.unwrap_err();
    assert_eq!(refused.code, Code::NODE_IDENTITY, "{refused}");
}

fn requests(sites: &Sites) -> usize {
    sites.api.objects("certificatesigningrequests.certificates.k8s.io").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_carries_what_was_asked_for_and_its_certificate_request_is_gone() {
    let (sites, coordinator) = waiting().await;
    assert_eq!(requests(&sites), 0);
    let run = begun(&coordinator, "join", marked()).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(node.labels["pool"], "web");
    assert_eq!(node.annotations["example.com/owner"], "me");
    let taint = &node.taints[0];
    assert_eq!((taint.key.as_str(), taint.value.as_str(), taint.effect.as_str()), ("dedicated", "db", "NoSchedule"));
    assert_eq!((requests(&sites), sites.api.count("delete", "certificatesigningrequests")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_no_node_can_carry_are_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    for (key, text) in
        [("labels", "pool"), ("labels", "slipway.dev/x=1"), ("taints", "gpu:Never"), ("annotations", "=")]
    {
        let mut params = join("1.33.13");
        params[key] = json!([text]);
        let refused = begun(&coordinator, "join", params).await.unwrap_err();
        assert_eq!(refused.code, Code::RUN_BAD_PARAMETER, "{text}");
    }
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_somebody_else_approved_waits_for_a_person_who_may_take_it() {
    let (sites, coordinator) = waiting().await;
    sites.agents.wire.approved_by(Approver::Person);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains(Code::JOIN_CERTIFICATE.as_str()) && book.why.contains("kubectl"), "{}", book.why);
    assert_eq!(tokens(&sites), 0, "the token is gone whatever becomes of the rest");
    resume(&coordinator, &run).await;
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(requests(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobodys_pod_comes_to_a_node_before_it_is_proved() {
    let (sites, coordinator) = waiting().await;
    sites.agents.wire.approved_by(Approver::Person);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    ends(&coordinator, &run, RunState::Paused).await.unwrap();
    let node = coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap().unwrap();
    assert!(node.ready && node.unschedulable, "its kubelet is up, and it is not proved yet");
    let places = |name: &str| -> Vec<String> {
        let pods =
            sites.api.objects("pods").into_iter().filter(|pod| pod["metadata"]["name"].to_string().contains(name));
        pods.filter_map(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned)).collect()
    };
    sites.api.apply(deployment("shop", "eager", 12)).unwrap();
    until(&coordinator, &run, "they are not scheduled", |_| places("eager").len() == 12).await.unwrap();
    assert!(!places("eager").contains(&"w2".to_owned()), "{:?}", places("eager"));
    resume(&coordinator, &run).await;
    completes(&coordinator, &run).await.unwrap();
    sites.api.apply(deployment("shop", "later", 12)).unwrap();
    until(&coordinator, &run, "it gets no pods", |_| places("later").contains(&"w2".to_owned())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_nobody_approves_is_taken_back_with_the_reason() {
    let (sites, coordinator) = waiting().await;
    sites.agents.wire.approved_by(Approver::Nobody);
    sites.site("w2").unwrap().machine.change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(
        book.why.contains(Code::JOIN_CERTIFICATE.as_str()) && book.why.contains("waits for approval"),
        "{}",
        book.why
    );
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_deleted_in_the_middle_unwinds_the_join_to_a_clean_host() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.reset_ms = 1500);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    until(&coordinator, &run, "kubeadm was not begun", |_| machine.effects("run /usr/bin/kubeadm join") > 0)
        .await
        .unwrap();
    for secret in sites.api.objects("secrets") {
        sites.api.delete("secrets", "kube-system", secret["metadata"]["name"].as_str().unwrap()).unwrap();
    }
    sites.agents.keep_in_step();
    machine.change(|state| state.reset_ms = 20);
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains("SLIP-"), "{}", book.why);
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
    assert_eq!(coordinator.world.cluster.node(&"w2".parse().unwrap()).await.unwrap(), None);
    let again = coordinator.runs.plan("join", &join("1.33.13"), &Actor("a".into())).await;
    assert!(again.is_ok(), "the host is not as it was: {:?}", again.err());
}

/// The certificate of an authority that is not this cluster's.
fn another_authority() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().self_signed(&key).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_not_the_clusters_is_refused_before_anything_changes() {
    let (sites, coordinator) = waiting().await;
    sites.api.apply(workload::cluster_info(&another_authority())).unwrap();
    assert_eq!(begun(&coordinator, "join", join("1.33.13")).await.unwrap_err().code, Code::JOIN_AUTHORITY);
    assert_eq!(tokens(&sites), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_hash_that_nothing_shows_beforehand_unwinds_the_join() {
    let (sites, coordinator) = waiting().await;
    sites.api.apply(workload::cluster_info(&another_authority())).unwrap();
    sites.api.delete("configmaps", "kube-system", "kube-root-ca.crt").unwrap();
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    assert!(book.why.contains(Code::HOST_KUBEADM.as_str()), "{}", book.why);
    assert_eq!((tokens(&sites), requests(&sites)), (0, 0));
    let kubelet = sites.site("w2").unwrap().machine.see(|state| state.units["kubelet.service"].enablement);
    assert_eq!(kubelet, slipway_host::Enablement::Masked);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_thing_that_a_host_lacks_is_found_before_anything_changes() {
    type Trouble = fn(&mut State);
    let cases: [(Trouble, Code); 11] = [
        (|state| state.kernel.swaps.push("/dev/zram0".into()), Code::HOST_SWAP),
        (|state| state.kernel.modules.clear(), Code::HOST_KERNEL),
        (|state| state.kernel.listening.extend([10250]), Code::HOST_PORT),
        (|state| state.kernel.free.extend([("/var/lib/kubelet".to_owned(), 1 << 20)]), Code::HOST_SPACE),
        (|state| state.runtime_up = false, Code::HOST_RUNTIME),
        (|state| state.files.retain(|path, _| !path.starts_with("/run/containerd")), Code::HOST_RUNTIME),
        (|state| state.write("/etc/containerd/config.toml", "version = 1\n[plugins]\n"), Code::HOST_PREPARE),
        (|state| state.identity.hostname = "w1".into(), Code::HOST_TWIN),
        (|state| state.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\n"), Code::HOST_LEFTOVERS),
        (|state| state.write("/etc/kubernetes/kubelet.conf", &kubeconfig("10.9.9.9")), Code::HOST_OTHER_CLUSTER),
        (|state| state.identity.machine_id = "000000000000000000000000000000w1".into(), Code::NODE_IDENTITY),
    ];
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    let healthy = machine.state();
    for (at, (trouble, code)) in cases.into_iter().enumerate() {
        machine.change(|state| *state = healthy.clone());
        machine.change(trouble);
        let before = machine.state();
        let error = begun(&coordinator, "join", join("1.33.13")).await.unwrap_err();
        assert_eq!(error.code, code, "case {at}: {error}");
        assert!(error.way_out.is_some_and(|way| !way.is_empty()), "case {at} has no way out");
        assert_eq!(machine.state(), before, "case {at} changed something");
    }
    assert_eq!(tokens(&sites), 0);
}

fn kubeconfig(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://{server}:6443\n  name: other\nusers: []\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_allows_its_kubelets_is_allowed_to_hosts_and_warnings_are_shown() {
    let (sites, coordinator) = waiting().await;
    let config = "kind: KubeletConfiguration\nfailSwapOn: false\ncgroupDriver: cgroupfs\n";
    sites
        .api
        .apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kubelet-config", "namespace": "kube-system"},
            "data": {"kubelet": config},
        }))
        .unwrap();
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| {
        state.kernel.swaps.push("/dev/zram0".into());
        state.identity.hostname = "debian".into();
    });
    let actor = slipway_events::Actor("a".into());
    let plan = coordinator.runs.plan("join", &join("1.33.13"), &actor).await.unwrap();
    assert!(plan.warnings.iter().any(|warning| warning.contains("calls itself debian")), "{:?}", plan.warnings);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    machine.see(|state| {
        assert_eq!(state.kernel.sysctls["net.ipv4.ip_forward"], "1");
        let runtime = state.effects.keys().any(|effect| effect.starts_with("restart containerd"));
        assert!(!runtime, "cgroupfs is what containerd does unasked: {:?}", state.effects);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_fails_leaves_the_host_as_it_was_before_it_was_prepared() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    let files = |state: &State| state.files.clone();
    let before = machine.see(files);
    machine.change(|state| state.join_fails = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    ends(&coordinator, &run, RunState::Unwound).await.unwrap();
    let mut after = machine.see(files);
    after.retain(|path, _| !path.starts_with("/run/slipway"));
    assert_eq!(after, before);
    assert_eq!(machine.see(|state| state.kernel.sysctls["net.ipv4.ip_forward"].clone()), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn leftovers_of_an_earlier_life_are_cleaned_by_one_command_and_the_host_joins() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| {
        state.write("/run/flannel/subnet.env", "FLANNEL_NETWORK=10.244.0.0/16\n");
        state.write("/etc/kubernetes/pki/ca.crt", "of an earlier life");
    });
    let error = begun(&coordinator, "join", join("1.33.13")).await.unwrap_err();
    assert!(
        error.code == Code::HOST_LEFTOVERS && error.way_out.clone().unwrap().contains("slipway host clean w2"),
        "{error}"
    );
    let run = begun(&coordinator, "clean-host", json!({"nodes": ["w2"]})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_serves_is_not_cleaned_and_one_of_another_cluster_only_with_a_word() {
    let (sites, coordinator) = waiting().await;
    let clean = |node: &str, word: bool| json!({"nodes": [node], "of_another_cluster": word});
    let refused = begun(&coordinator, "clean-host", clean("w1", false)).await.unwrap_err();
    assert!(refused.code == Code::RUN_BAD_PARAMETER && refused.way_out.unwrap().contains("slipway node remove w1"));
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.write("/etc/kubernetes/kubelet.conf", &kubeconfig("10.9.9.9")));
    let refused = begun(&coordinator, "clean-host", clean("w2", false)).await.unwrap_err();
    assert!(refused.code == Code::HOST_OTHER_CLUSTER && refused.message.contains("10.9.9.9"), "{refused}");
    let run = begun(&coordinator, "clean-host", clean("w2", true)).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
}

/// The canaries that are there.
fn canaries(sites: &Sites) -> usize {
    sites.api.objects("pods").iter().filter(|pod| pod["metadata"]["namespace"] == "slipway-canary").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_ours_proves_the_node_and_is_gone_afterwards() {
    let (sites, coordinator) = waiting().await;
    let run = begun(&coordinator, "join", marked()).await.unwrap();
    let book = completes(&coordinator, &run).await.unwrap();
    let proof = &book.steps[&StepId("canary-runs-w2".into())].record;
    assert!(proof.iter().any(|line| line.contains("10.244.0.9 on w2 answers to w2")), "{proof:?}");
    assert_eq!((canaries(&sites), sites.api.count("create", "pods")), (0, 1), "past a taint that the node was given");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_network_is_broken_waits_for_a_person_and_keeps_no_pod_of_ours() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.network_broken = true);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains(Code::JOIN_DNS.as_str()) && book.why.contains("10.96.0.10"), "{}", book.why);
    machine.change(|state| state.network_broken = false);
    sites.api.edit("nodes", "", "w2", |node| {
        node["spec"]["taints"] = json!([{"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}]);
    });
    resume(&coordinator, &run).await;
    let book = ends(&coordinator, &run, RunState::Paused).await.unwrap();
    assert!(book.why.contains(Code::JOIN_CANARY.as_str()) && book.why.contains("has no place"), "{}", book.why);
    assert_eq!(canaries(&sites), 0);
    sites.api.edit("nodes", "", "w2", |node| node["spec"]["taints"] = json!([]));
    resume(&coordinator, &run).await;
    completes(&coordinator, &run).await.unwrap();
    assert_eq!((canaries(&sites), tokens(&sites), requests(&sites)), (0, 0, 0));
}

async fn resume(coordinator: &Coordinator, run: &RunId) {
    coordinator.runs.command(run, Command::Resume, Actor("operator/alice".into())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_without_a_place_for_canaries_is_told_of_it_beforehand() {
    let (sites, coordinator) = waiting().await;
    sites.api.delete("namespaces", "", "slipway-canary").unwrap();
    assert_eq!(begun(&coordinator, "join", join("1.33.13")).await.unwrap_err().code, Code::JOIN_CANARY);
    assert_eq!(tokens(&sites), 0);
}

/// A request for a token by hand.
fn asking(description: &str) -> CreateBootstrapTokenRequest {
    CreateBootstrapTokenRequest { description: description.into(), ..Default::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_a_join_by_hand_lets_a_host_in_and_shows_its_secret_once() {
    let (sites, coordinator) = waiting().await;
    let world = &coordinator.world;
    let made = bootstrap_tokens::create(world, &asking("rack 7"), "admin/alice").await.unwrap();
    let whole = made.command.split_whitespace().find(|word| is_bootstrap_token(word)).unwrap().to_owned();
    assert!(made.command.starts_with("kubeadm join 10.70.0.10:6443 --token "), "{}", made.command);
    assert!(made.command.contains(" --discovery-token-ca-cert-hash sha256:"), "{}", made.command);
    let lets_in = slipway_e2e::link::joinable(&sites.api);
    assert!(lets_in.values().any(|cluster| cluster.tokens.contains(&whole)));
    let listed = bootstrap_tokens::list(world).await.unwrap();
    assert_eq!((listed.len(), listed[0].ours, listed[0].id.as_str()), (1, true, made.id.as_str()));
    assert_eq!(listed[0].description, "slipway: rack 7 (admin/alice)");
    let secret = whole.split('.').nth(1).unwrap();
    assert!(!format!("{listed:?}{made:?}").contains(secret), "the secret has a way into a log");

    let delete =
        |description: &str| DeleteBootstrapTokenRequest { id: made.id.clone(), description: description.into() };
    assert!(bootstrap_tokens::delete(world, &coordinator.runs, &delete("another")).await.is_err());
    assert_eq!(tokens(&sites), 1, "one that was replaced meanwhile stays");
    bootstrap_tokens::delete(world, &coordinator.runs, &delete(&listed[0].description)).await.unwrap();
    let again = bootstrap_tokens::delete(world, &coordinator.runs, &delete("x")).await.unwrap_err();
    assert_eq!((tokens(&sites), again.code), (0, Code::JOIN_TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_run_that_goes_on_is_not_deleted_by_hand() {
    let (sites, coordinator) = waiting().await;
    let machine = &sites.site("w2").unwrap().machine;
    machine.change(|state| state.reset_ms = 1500);
    let run = begun(&coordinator, "join", join("1.33.13")).await.unwrap();
    until(&coordinator, &run, "kubeadm was not begun", |_| machine.effects("run /usr/bin/kubeadm join") > 0)
        .await
        .unwrap();
    let of_run = bootstrap_tokens::list(&coordinator.world).await.unwrap().pop().unwrap();
    assert_eq!(of_run.run, run.to_string());
    let request = DeleteBootstrapTokenRequest { id: of_run.id, description: of_run.description };
    let refused = bootstrap_tokens::delete(&coordinator.world, &coordinator.runs, &request).await.unwrap_err();
    assert_eq!(refused.code, Code::JOIN_TOKEN);
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(tokens(&sites), 0);
}
