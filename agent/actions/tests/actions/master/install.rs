//! An etcd of its own, set up for a member that left.

use super::*;

fn empty_host(name: &str, etcd: &SharedEtcd) -> (Host, FakeHandle) {
    let mut state = preset::machine(name);
    for file in ["ca.crt", "server.crt", "server.key"] {
        state.write(&format!("/etc/etcd/pki/{file}"), "certificate");
    }
    state.write("/usr/bin/etcd", "");
    state.directory("/etc/systemd/system");
    FakeHost::sharing(state, Arc::new(SystemClock), etcd)
}

fn install(name: &str, address: &str) -> Box<dyn Perform> {
    action(Wire::InstallEtcdUnit(types::InstallEtcdUnit {
        name: name.into(),
        data_dir: DATA.into(),
        listen_address: address.into(),
        initial_cluster: format!("m1=https://10.70.0.11:2380,{name}=https://{address}:2380"),
        initial_cluster_state: "existing".into(),
        initial_cluster_token: "etcd-lab".into(),
        ca_file: "/etc/etcd/pki/ca.crt".into(),
        cert_file: "/etc/etcd/pki/server.crt".into(),
        key_file: "/etc/etcd/pki/server.key".into(),
    }))
}

#[tokio::test]
async fn a_member_is_replaced_on_another_host_by_a_learner_that_is_promoted() {
    let etcd = SharedEtcd::new();
    let hosts =
        ["m1", "m2", "m3"].map(|name| FakeHost::sharing(preset::external_etcd(name), Arc::new(SystemClock), &etcd));
    let masters = Masters { etcd: etcd.clone(), hosts: hosts.into() };
    done(&*masters.removal("m3"), masters.host(1)).await;
    done(&*learner("m4", "https://10.70.0.14:2380"), masters.host(1)).await;
    let (new, handle) = empty_host("m4", &etcd);
    done(&*install("m4", "10.70.0.14"), &new).await;
    assert!(done(&*install("m4", "10.70.0.14"), &new).await.already_true);
    assert_eq!(handle.state().modes[Path::new(DATA)], 0o700);
    let id = masters.id("m4");
    done(&*action(Wire::PromoteEtcdLearner(types::PromoteEtcdLearner { member_id: id })), masters.host(2)).await;
    let now = status(&new).await;
    assert_eq!((now.own_member_id, now.members.len(), now.quorum_read), (id, 3, true));
}

#[tokio::test]
async fn no_etcd_is_installed_over_data_beside_another_or_without_certificates() {
    let etcd = SharedEtcd::new();
    let (host, handle) = empty_host("m4", &etcd);
    handle.change(|state| state.write("/var/lib/etcd/member/snap/db", "of a member that was removed"));
    let (code, says) = refused(&*install("m4", "10.70.0.14"), &host).await;
    assert_eq!(code, Code::ETCD_UNIT);
    assert!(says.contains("/var/lib/etcd/member"), "{says}");
    let (host, handle) = empty_host("m4", &etcd);
    handle.change(|state| state.files.remove(Path::new("/etc/etcd/pki/server.key")));
    assert_eq!(refused(&*install("m4", "10.70.0.14"), &host).await.0, Code::ETCD_CERTIFICATES);
    let (host, handle) = empty_host("m4", &etcd);
    handle.change(|state| state.files.remove(Path::new("/usr/bin/etcd")));
    assert_eq!(refused(&*install("m4", "10.70.0.14"), &host).await.0, Code::ETCD_UNIT);
    let (host, _) = empty_host("m4", &etcd);
    let (_, says) = refused(&*install("m4", "10.70.0.15"), &host).await;
    assert!(says.contains("no address of this host"), "{says}");
    let masters = Masters::new();
    let (_, says) = refused(&*install("m1", "10.70.0.11"), masters.host(1)).await;
    assert!(says.contains("kubeadm's etcd"), "{says}");
}
