//! What manifests and configurations say, as they are met in the field.

use super::*;

const KUBEADM: &str = include_str!("../../fixtures/etcd.yaml");

fn strings(urls: &[&str]) -> Vec<String> {
    urls.iter().map(|url| (*url).to_owned()).collect()
}

#[test]
fn kubeadms_manifest_tells_name_data_and_the_loopback() {
    let local = in_manifest(KUBEADM).unwrap();
    assert_eq!((local.kind, local.name.as_str()), (Kind::StaticPod, "m1"));
    assert_eq!(local.data_dir, Path::new("/var/lib/etcd"));
    assert_eq!(local.access.url, "https://127.0.0.1:2379");
    assert_eq!(local.peer_urls, ["https://10.70.0.11:2380"]);
    assert_eq!(local.client_urls, ["https://10.70.0.11:2379"]);
    let names: Vec<String> = local.certificates.iter().map(|files| files.certificate.display().to_string()).collect();
    assert_eq!(names, ["/etc/kubernetes/pki/etcd/healthcheck-client.crt", "/etc/kubernetes/pki/etcd/server.crt"]);
}

#[test]
fn the_data_folder_is_where_it_lies_on_the_host_and_not_in_the_container() {
    let moved = KUBEADM.replace("path: /var/lib/etcd\n", "path: /srv/disk1/etcd\n");
    assert_ne!(moved, KUBEADM);
    assert_eq!(in_manifest(&moved).unwrap().data_dir, Path::new("/srv/disk1/etcd"));
    let deeper = moved.replace("--data-dir=/var/lib/etcd", "--data-dir=/var/lib/etcd/one");
    assert_eq!(in_manifest(&deeper).unwrap().data_dir, Path::new("/srv/disk1/etcd/one"));
}

#[test]
fn a_manifest_that_says_too_little_is_none() {
    assert!(in_manifest("").is_none());
    assert!(in_manifest("spec:\n  containers: []\n").is_none());
    assert!(in_manifest(&KUBEADM.replace("--data-dir=/var/lib/etcd", "--data-dir=etcd")).is_none());
    assert!(
        in_manifest(&KUBEADM.replace("--listen-client-urls", "--x").replace("--advertise-client-urls", "--y"))
            .is_none()
    );
}

const CONFIGURATION: &str = r#"# made by hand
ETCD_NAME=e1
ETCD_DATA_DIR="/var/lib/etcd"
ETCD_LISTEN_CLIENT_URLS="https://10.70.0.11:2379,https://127.0.0.1:2379"
ETCD_ADVERTISE_CLIENT_URLS='https://10.70.0.11:2379'
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://10.70.0.11:2380
ETCD_TRUSTED_CA_FILE=/etc/etcd/pki/ca.crt
ETCD_CERT_FILE=/etc/etcd/pki/server.crt
ETCD_KEY_FILE=/etc/etcd/pki/server.key
ETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/pki/ca.crt
ETCD_PEER_CERT_FILE=/etc/etcd/pki/peer.crt
ETCD_PEER_KEY_FILE=/etc/etcd/pki/peer.key
"#;

#[test]
fn the_configuration_of_a_unit_is_read_with_and_without_quotes() {
    let local = in_conf(CONFIGURATION).unwrap();
    assert_eq!((local.kind, local.name.as_str()), (Kind::SystemdUnit, "e1"));
    assert_eq!(local.access.url, "https://10.70.0.11:2379");
    assert_eq!(local.client_urls, ["https://10.70.0.11:2379"]);
    assert_eq!(local.certificates[0].certificate, Path::new("/etc/etcd/pki/peer.crt"));
    assert_eq!(local.certificates[1].key, Path::new("/etc/etcd/pki/server.key"));
}

#[test]
fn a_peers_certificate_is_of_no_use_where_clients_are_judged_by_another_authority() {
    let other = CONFIGURATION.replace("ETCD_PEER_TRUSTED_CA_FILE=/etc/etcd/pki/ca.crt", "ETCD_PEER_TRUSTED_CA_FILE=/x");
    let local = in_conf(&other).unwrap();
    assert_eq!(local.certificates.len(), 1);
    assert_eq!(local.certificates[0].certificate, Path::new("/etc/etcd/pki/server.crt"));
}

#[test]
fn a_member_that_listens_everywhere_is_asked_where_it_tells_others() {
    let all = strings(&["https://0.0.0.0:2379"]);
    assert_eq!(nearest(&all, &strings(&["https://10.0.0.1:2379"])).as_deref(), Some("https://10.0.0.1:2379"));
    assert_eq!(nearest(&all, &[]), None);
    assert_eq!(nearest(&strings(&["https://10.0.0.1:2379"]), &[]).as_deref(), Some("https://10.0.0.1:2379"));
}

#[test]
fn a_plain_url_is_asked_without_certificates() {
    let files = TlsFiles { ca: "/a".into(), certificate: "/b".into(), key: "/c".into() };
    let access = Access { url: "https://127.0.0.1:2379".into(), tls: Some(files.clone()) };
    assert_eq!(access.at("https://10.0.0.2:2379").tls, Some(files));
    assert_eq!(access.at("http://10.0.0.2:2379").tls, None);
}
