//! API servers and kubelets that follow their etcd and their address.

use super::*;

fn manifest(handle: &FakeHandle) -> String {
    text(handle, "/etc/kubernetes/manifests/kube-apiserver.yaml")
}

fn text(handle: &FakeHandle, path: &str) -> String {
    match handle.state().files.get(Path::new(path)) {
        Some(slipway_host::fake::Node::File(text)) => text.clone(),
        other => panic!("{path} is {other:?}"),
    }
}

fn kept(handle: &FakeHandle) -> Vec<String> {
    let state = handle.state();
    let folder = Path::new("/etc/kubernetes/slipway-kept");
    state.below(folder).iter().map(|path| path.display().to_string()).collect()
}

fn stores(servers: &[&str]) -> Box<dyn Perform> {
    let servers = servers.iter().map(|server| (*server).to_owned()).collect();
    action(Wire::SetEtcdServers(types::SetEtcdServers { servers }))
}

#[tokio::test(start_paused = true)]
async fn an_api_server_follows_its_etcd_and_the_old_manifest_is_kept() {
    let masters = Masters::new();
    let (host, handle) = (masters.host(1), masters.handle(1));
    let before = manifest(handle);
    let set = stores(&["https://10.70.0.12:2379", "https://10.70.0.13:2379"]);
    done(&*set, host).await;
    assert!(manifest(handle).contains("- --etcd-servers=https://10.70.0.12:2379,https://10.70.0.13:2379\n"));
    let kept = kept(handle);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(text(handle, &kept[0]), before);
    assert_eq!(handle.state().modes[Path::new(&kept[0])], 0o600);
    assert!(done(&*set, host).await.already_true);
    let other_order = stores(&["https://10.70.0.13:2379", "https://10.70.0.12:2379"]);
    assert!(done(&*other_order, host).await.already_true, "an API server was restarted for the order of a list");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_does_not_get_ready_gets_its_manifest_back() {
    let masters = Masters::new();
    let (host, handle) = (masters.host(1), masters.handle(1));
    let before = manifest(handle);
    let error = apply(&*stores(&["https://192.0.2.9:2379"]), host).await.unwrap_err();
    assert_eq!(error.coded().code, Code::API_SERVER_NOT_READY);
    assert!(error.to_string().contains("was put back"), "{error}");
    assert_eq!(manifest(handle), before);
    let ca = b"ca";
    assert!(host.api_servers.ready("https://10.70.0.11:6443", ca).await.unwrap(), "it does not serve again");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_stores_that_was_cancelled_or_cut_off_is_undone_or_finished() {
    let masters = Masters::new();
    let (host, handle) = (masters.host(1), masters.handle(1));
    let before = manifest(handle);
    let cancelled = operation("set");
    let stop = cancelled.cancelled.clone();
    let context = OperationContext {
        progress: Progress::to(move |says| {
            if says.starts_with("waiting") {
                stop.cancel();
            }
        }),
        ..cancelled
    };
    let set = stores(&["https://10.70.0.12:2379"]);
    let error = set.apply(host, &context).await.unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert_eq!(manifest(handle), before);
    // Killed right after the new manifest was written: the next life finds it, waits, and keeps what was kept.
    handle.inject("api_servers.ready", 1, Fault::HangBefore);
    tokio::select! {
        _ = apply(&*set, host) => panic!("it did not hang"),
        () = handle.hung() => {}
    }
    done(&*set, host).await;
    assert_eq!(text(handle, &kept(handle)[0]), before);
}

#[tokio::test]
async fn a_host_without_an_api_server_or_with_a_strange_manifest_is_left_alone() {
    let (worker, _) = FakeHost::worker("w1");
    let set = stores(&["https://10.70.0.12:2379"]);
    assert_eq!(refused(&*set, &worker).await.0, Code::API_SERVER_NOT_READY);
    let masters = Masters::new();
    let strange = manifest(masters.handle(1)).replace("--etcd-servers=", "--etcd-servers-elsewhere=");
    masters.handle(1).change(|state| state.write("/etc/kubernetes/manifests/kube-apiserver.yaml", &strange));
    let (_, says) = refused(&*set, masters.host(1)).await;
    assert!(says.contains("--etcd-servers is not there"), "{says}");
    assert_eq!(manifest(masters.handle(1)), strange);
}

const NEW: &str = "https://10.70.0.99:6443";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";

fn point(paths: &[&str]) -> Box<dyn Perform> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    action(Wire::SetApiServer(types::SetApiServer { server: NEW.into(), paths }))
}

fn worker_that_sees(server: Option<slipway_host::fake::Server>) -> (Host, FakeHandle) {
    let (host, handle) = FakeHost::worker("w1");
    handle.change(|state| state.api_servers.extend(server.map(|server| (NEW.to_owned(), server))));
    (host, handle)
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_pointed_at_an_address_that_proved_itself() {
    let (host, handle) = worker_that_sees(Some(slipway_host::fake::Server::Ready));
    let before = text(&handle, KUBELET_CONF);
    done(&*point(&[]), &host).await;
    assert_eq!(text(&handle, KUBELET_CONF), before.replace("https://10.70.0.10:6443", NEW));
    assert_eq!(handle.effects("restart kubelet.service"), 1);
    let kept = kept(&handle);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(text(&handle, &kept[0]), before);
    assert!(done(&*point(&[]), &host).await.already_true);
    assert_eq!(handle.effects("restart kubelet.service"), 1);
}

#[tokio::test]
async fn an_address_that_proves_nothing_changes_nothing() {
    use slipway_host::fake::Server;
    for (server, code) in [
        (Some(Server::Foreign), Code::API_SERVER_CERTIFICATE),
        (Some(Server::NotReady), Code::API_SERVER_NOT_READY),
        (None, Code::API_SERVER_NOT_READY),
    ] {
        let (host, handle) = worker_that_sees(server);
        let before = text(&handle, KUBELET_CONF);
        assert_eq!(refused(&*point(&[KUBELET_CONF]), &host).await.0, code, "{server:?}");
        assert_eq!(text(&handle, KUBELET_CONF), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_does_not_come_up_gets_its_kubeconfig_back() {
    let (host, handle) = worker_that_sees(Some(slipway_host::fake::Server::Ready));
    let before = text(&handle, KUBELET_CONF);
    handle.inject("services.restart", 1, Fault::Fail);
    assert!(apply(&*point(&[]), &host).await.is_err());
    assert_eq!(text(&handle, KUBELET_CONF), before);
    assert_eq!(handle.effects("restart kubelet.service"), 1, "it was not given the old file to read");
    assert_eq!(kept(&handle).len(), 1, "a mark stayed behind");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_was_cut_off_before_the_restart_is_finished_by_the_next() {
    let (host, handle) = worker_that_sees(Some(slipway_host::fake::Server::Ready));
    handle.inject("services.restart", 1, Fault::HangBefore);
    let set = point(&[]);
    tokio::select! {
        _ = apply(&*set, &host) => panic!("it did not hang"),
        () = handle.hung() => {}
    }
    assert!(text(&handle, KUBELET_CONF).contains(NEW));
    let applied = done(&*point(&[]), &host).await;
    assert!(!applied.already_true, "the kubelet still reads the old address");
    assert_eq!(handle.effects("restart kubelet.service"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_masters_components_read_their_new_address_too() {
    let masters = Masters::new();
    let (host, handle) = (masters.host(1), masters.handle(1));
    handle.change(|state| state.api_servers.insert(NEW.into(), slipway_host::fake::Server::Ready));
    let pid =
        |comm: &str| handle.state().processes.iter().find(|process| process.comm == comm).map(|process| process.pid);
    let before = pid("kube-scheduler");
    done(&*point(&["/etc/kubernetes/scheduler.conf", "/etc/kubernetes/admin.conf"]), host).await;
    assert!(pid("kube-scheduler").is_some() && pid("kube-scheduler") != before);
    assert!(text(handle, "/etc/kubernetes/admin.conf").contains(NEW));
    assert!(!text(handle, KUBELET_CONF).contains(NEW), "a kubeconfig that was not named was changed");
}
