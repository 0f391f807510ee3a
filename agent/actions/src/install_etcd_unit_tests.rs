//! What may be asked for, and that what is written is read back as the same member.

use super::*;

pub(crate) fn wire() -> types::InstallEtcdUnit {
    types::InstallEtcdUnit {
        name: "m4".into(),
        data_dir: "/var/lib/etcd".into(),
        listen_address: "10.70.0.14".into(),
        initial_cluster: "m1=https://10.70.0.11:2380,m4=https://10.70.0.14:2380".into(),
        initial_cluster_state: "existing".into(),
        initial_cluster_token: "etcd-lab".into(),
        ca_file: "/etc/etcd/pki/ca.crt".into(),
        cert_file: "/etc/etcd/pki/server.crt".into(),
        key_file: "/etc/etcd/pki/server.key".into(),
    }
}

#[test]
fn the_configuration_that_is_written_describes_the_member_that_was_meant() {
    let conf = InstallEtcdUnit::new(wire()).unwrap().conf();
    let local = etcd::in_conf(&conf).unwrap();
    assert_eq!((local.name.as_str(), local.data_dir.to_str()), ("m4", Some("/var/lib/etcd")));
    assert_eq!(local.peer_urls, ["https://10.70.0.14:2380"]);
    assert_eq!(local.access.url, "https://10.70.0.14:2379");
    assert_eq!(local.certificates[0].key, Path::new("/etc/etcd/pki/server.key"));
    assert!(
        conf.contains("ETCD_INITIAL_CLUSTER_STATE=\"existing\"\n") && conf.contains("STRICT_RECONFIG_CHECK=\"true\"")
    );
}

#[test]
fn what_could_be_another_line_or_another_host_is_refused() {
    type Spoil = fn(&mut types::InstallEtcdUnit);
    let spoils: [Spoil; 13] = [
        |wire| wire.name = "m4\"\nETCD_X=\"".into(),
        |wire| wire.name = String::new(),
        |wire| wire.data_dir = "/".into(),
        |wire| wire.data_dir = "/var/lib/et\"cd".into(),
        |wire| wire.listen_address = "0.0.0.0".into(),
        |wire| wire.listen_address = "m4".into(),
        |wire| wire.initial_cluster = "m1=https://10.70.0.11:2380".into(),
        |wire| wire.initial_cluster.push_str(",m5=https://a b:1"),
        |wire| wire.initial_cluster = "m4=https://10.70.0.14:2380,".into(),
        |wire| wire.initial_cluster_state = "old".into(),
        |wire| wire.initial_cluster_token = "$(x)".into(),
        |wire| wire.ca_file = "/etc/../etc/ca.crt".into(),
        |wire| wire.key_file = "key".into(),
    ];
    for (number, spoil) in spoils.into_iter().enumerate() {
        let mut bad = wire();
        spoil(&mut bad);
        assert_eq!(InstallEtcdUnit::new(bad).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "the {number}th");
    }
}

#[test]
fn an_address_of_the_sixth_version_stands_in_brackets() {
    let mut six = wire();
    six.listen_address = "fd00::14".into();
    six.initial_cluster = "m4=https://[fd00::14]:2380".into();
    assert!(
        InstallEtcdUnit::new(six).unwrap().conf().contains("ETCD_ADVERTISE_CLIENT_URLS=\"https://[fd00::14]:2379\"")
    );
}
