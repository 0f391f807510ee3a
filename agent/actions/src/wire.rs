//! From the wire's closed list to actions. Every argument is checked here, before anything is read or done.

use slipway_errors::{Code, Coded};
use slipway_host::cri;
use slipway_proto::types::action::Action as Wire;

use crate::{
    AddEtcdLearner, CleanCni, CleanFiles, CleanNetfilter, InstallEtcdUnit, InstallPackages, JoinKubeadm, JoinStore,
    MaskKubelet, MoveEtcdLeader, Perform, PrepareHost, PromoteEtcdLearner, PullImages, RemoveEtcdMember,
    RemovePackages, ResetKubeadm, RestartKubelet, RollBackKubelet, ScanLeftovers, SetApiServer, SetEtcdImage,
    SetEtcdServers, SetRepository, SetVipMasters, StartService, StopService, UnmaskKubelet, UnprepareHost,
    UpgradeKubeadm, UploadCertificates, WipeEtcdData,
};

const PROFILES: usize = 32;
const URLS: usize = 8;

/// The action that the wire names, or why it is not allowed.
pub fn from_wire(action: slipway_proto::types::Action) -> Result<Box<dyn Perform>, Coded> {
    let wire = action.action.ok_or_else(|| {
        bad("no action was named").do_this("this agent may be older than the coordinator: upgrade it")
    })?;
    Ok(match wire {
        Wire::StopService(stop) => Box::new(StopService::new(&stop.unit)?),
        Wire::MaskKubelet(_) => Box::new(MaskKubelet),
        Wire::UnmaskKubelet(_) => Box::new(UnmaskKubelet),
        Wire::ResetKubeadm(reset) => Box::new(ResetKubeadm::new(socket(&reset.cri_socket)?)),
        Wire::CleanCni(clean) => Box::new(CleanCni { profiles: profiles(clean.profiles)? }),
        Wire::CleanNetfilter(clean) => Box::new(CleanNetfilter { profiles: profiles(clean.profiles)? }),
        Wire::CleanFiles(clean) => Box::new(CleanFiles { profiles: profiles(clean.profiles)? }),
        Wire::ScanLeftovers(_) => Box::new(ScanLeftovers),
        Wire::StartService(start) => Box::new(StartService::new(&start.unit)?),
        Wire::RemoveEtcdMember(remove) => Box::new(RemoveEtcdMember {
            id: member(remove.member_id)?,
            name: if remove.name.is_empty() { remove.name } else { member_name(remove.name)? },
            peer_urls: urls(remove.peer_urls)?,
        }),
        Wire::MoveEtcdLeader(moving) => Box::new(MoveEtcdLeader { to: member(moving.to_member_id)? }),
        Wire::WipeEtcdData(wipe) => Box::new(WipeEtcdData::new(&wipe.data_dir)?),
        Wire::AddEtcdLearner(add) => {
            Box::new(AddEtcdLearner { name: member_name(add.name)?, peer_urls: urls(add.peer_urls)? })
        }
        Wire::PromoteEtcdLearner(promote) => Box::new(PromoteEtcdLearner { id: member(promote.member_id)? }),
        Wire::InstallEtcdUnit(install) => Box::new(InstallEtcdUnit::new(install)?),
        Wire::SetEtcdServers(set) => Box::new(SetEtcdServers { servers: urls(set.servers)? }),
        Wire::JoinKubeadm(join) => Box::new(JoinKubeadm::new(join)?),
        Wire::UploadCertificates(upload) => Box::new(UploadCertificates::new(upload)?),
        Wire::PrepareHost(prepare) => Box::new(PrepareHost::new(prepare)?),
        Wire::UnprepareHost(_) => Box::new(UnprepareHost),
        Wire::SetApiServer(set) => Box::new(SetApiServer::new(&set.server, &set.paths)?),
        Wire::SetRepository(set) => Box::new(SetRepository::new(set)?),
        Wire::InstallPackages(install) => Box::new(InstallPackages::new(install)?),
        Wire::PullImages(pull) => Box::new(PullImages::new(pull)?),
        Wire::UpgradeKubeadm(upgrade) => Box::new(UpgradeKubeadm::new(upgrade)?),
        Wire::RestartKubelet(restart) => Box::new(RestartKubelet::new(&restart)?),
        Wire::RollBackKubelet(back) => Box::new(RollBackKubelet::new(&back)?),
        Wire::SetEtcdImage(set) => Box::new(SetEtcdImage::new(&set.image)?),
        Wire::JoinStore(join) => Box::new(JoinStore::new(join)?),
        Wire::SetVipMasters(set) => Box::new(SetVipMasters::new(set)?),
        Wire::RemovePackages(remove) => Box::new(RemovePackages::new(&remove.packages)?),
    })
}

pub(crate) fn bad(why: impl Into<String>) -> Coded {
    Coded::new(Code::AGENT_BAD_ARGUMENT, why)
}

pub(crate) fn socket(text: &str) -> Result<Option<String>, Coded> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || bad(format!("{text:?} is no socket such as unix:///run/containerd/containerd.sock"));
    cri::endpoint(text).map(Some).ok_or_else(refused)
}

fn profiles(names: Vec<String>) -> Result<Vec<String>, Coded> {
    let legal = |name: &String| {
        !name.is_empty()
            && name.len() <= 63
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if names.len() > PROFILES {
        return Err(bad(format!("{} profiles are named, {PROFILES} are the limit", names.len())));
    }
    match names.iter().find(|name| !legal(name)) {
        Some(name) => Err(bad(format!("{name:?} is no name of a profile"))),
        None => Ok(names),
    }
}

fn member(id: u64) -> Result<u64, Coded> {
    if id == 0 { Err(bad("no member of etcd has the id 0")) } else { Ok(id) }
}

fn member_name(name: String) -> Result<String, Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain = !name.is_empty() && name.len() <= 253 && name.chars().all(legal) && !name.starts_with('-');
    if plain { Ok(name) } else { Err(bad(format!("{name:?} is no name of a member of etcd"))) }
}

/// URLs of members: a scheme, a host, a port, and nothing else.
fn urls(urls: Vec<String>) -> Result<Vec<String>, Coded> {
    if urls.is_empty() || urls.len() > URLS {
        return Err(bad(format!("{} URLs of a member are named, 1 to {URLS} are allowed", urls.len())));
    }
    match urls.iter().find(|url| !is_url(url)) {
        Some(url) => Err(bad(format!("{url:?} is no URL such as https://10.0.0.1:2380"))),
        None => Ok(urls),
    }
}

/// Whether that is a URL of a member: a scheme, a host, a port.
pub(crate) fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some((host, port)) = rest.and_then(|rest| rest.rsplit_once(':')) else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let name = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let known = bare.map_or_else(|| name(host), |address| address.parse::<std::net::Ipv6Addr>().is_ok());
    known && !host.is_empty() && host.len() <= 253 && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use slipway_proto::types;

    fn peers() -> Vec<String> {
        vec!["https://10.70.0.14:2380".into(), "https://[fd00::14]:2380".into()]
    }

    fn peer(name: &str, address: &str) -> types::StorePeer {
        types::StorePeer { name: name.into(), address: address.into() }
    }

    /// A set of one.
    fn masters(name: &str, address: &str) -> types::SetVipMasters {
        let master = types::VipMaster { name: name.into(), address: address.into(), base: 10, present: true };
        let set = types::VipSet {
            vip: "10.0.0.10/32".into(),
            virtual_router_id: 70,
            advert_ms: 200,
            multicast: false,
            masters: vec![master],
        };
        types::SetVipMasters { set: Some(set), name: name.into() }
    }

    fn wire(action: Wire) -> Result<Box<dyn Perform>, Coded> {
        from_wire(types::Action { action: Some(action) })
    }

    #[rstest]
    #[case(Wire::StopService(types::StopService { unit: "sshd.service".into() }))]
    #[case(Wire::StopService(types::StopService { unit: "kubelet.service\n".into() }))]
    #[case(Wire::StopService(types::StopService { unit: String::new() }))]
    #[case(Wire::ResetKubeadm(types::ResetKubeadm { cri_socket: "--config=/tmp/x".into() }))]
    #[case(Wire::ResetKubeadm(types::ResetKubeadm { cri_socket: "unix:///run/../etc/x".into() }))]
    #[case(Wire::CleanCni(types::CleanCni { profiles: vec!["../x".into()] }))]
    #[case(Wire::CleanFiles(types::CleanFiles { profiles: vec!["a".into(); 33] }))]
    #[case(Wire::CleanNetfilter(types::CleanNetfilter { profiles: vec![String::new()] }))]
    #[case(Wire::StopService(types::StopService { unit: "containerd.service".into() }))]
    #[case(Wire::StartService(types::StartService { unit: "kubelet.service".into() }))]
    #[case(Wire::RemoveEtcdMember(types::RemoveEtcdMember { member_id: 0, name: "m1".into(), peer_urls: peers() }))]
    #[case(Wire::RemoveEtcdMember(types::RemoveEtcdMember { member_id: 1, name: "m1\n".into(), peer_urls: peers() }))]
    #[case(Wire::RemoveEtcdMember(types::RemoveEtcdMember { member_id: 1, name: "m1".into(), peer_urls: vec![] }))]
    #[case(Wire::RemoveEtcdMember(types::RemoveEtcdMember { member_id: 1, name: "m1".into(), peer_urls: vec!["10.0.0.1:2380".into()] }))]
    #[case(Wire::MoveEtcdLeader(types::MoveEtcdLeader { to_member_id: 0 }))]
    #[case(Wire::WipeEtcdData(types::WipeEtcdData { data_dir: "/".into() }))]
    #[case(Wire::AddEtcdLearner(types::AddEtcdLearner { name: String::new(), peer_urls: peers() }))]
    #[case(Wire::AddEtcdLearner(types::AddEtcdLearner { name: "--x".into(), peer_urls: peers() }))]
    #[case(Wire::AddEtcdLearner(types::AddEtcdLearner { name: "m4".into(), peer_urls: vec!["https://a b:2380".into()] }))]
    #[case(Wire::PromoteEtcdLearner(types::PromoteEtcdLearner { member_id: 0 }))]
    #[case(Wire::InstallEtcdUnit(types::InstallEtcdUnit::default()))]
    #[case(Wire::SetEtcdServers(types::SetEtcdServers { servers: vec![] }))]
    #[case(Wire::UploadCertificates(types::UploadCertificates { cri_socket: "--x".into(), certificates_dir: String::new() }))]
    #[case(Wire::SetEtcdServers(types::SetEtcdServers { servers: vec!["https://a:1,https://b:1".into()] }))]
    #[case(Wire::SetApiServer(types::SetApiServer { server: "https://a".into(), paths: vec![] }))]
    #[case(Wire::SetApiServer(types::SetApiServer { server: "https://a:1".into(), paths: vec!["/etc/passwd".into()] }))]
    #[case(Wire::PullImages(types::PullImages::default()))]
    #[case(Wire::UpgradeKubeadm(types::UpgradeKubeadm::default()))]
    #[case(Wire::RestartKubelet(types::RestartKubelet { kubernetes: "stable".into() }))]
    #[case(Wire::RollBackKubelet(types::RollBackKubelet { kubernetes: "../v1.34.4".into(), ..Default::default() }))]
    #[case(Wire::SetEtcdImage(types::SetEtcdImage { image: "etcd".into() }))]
    #[case(Wire::RemovePackages(types::RemovePackages { packages: vec!["vim".into()] }))]
    #[case(Wire::JoinStore(types::JoinStore::default()))]
    #[case(Wire::JoinStore(types::JoinStore { name: "m2".into(), members: vec![peer("m1", "10.0.0.1")] }))]
    #[case(Wire::JoinStore(types::JoinStore { name: "m1".into(), members: vec![peer("m1", "10.0.0.1\nX=1")] }))]
    #[case(Wire::SetVipMasters(types::SetVipMasters::default()))]
    #[case(Wire::SetVipMasters(types::SetVipMasters { name: "m2".into(), ..masters("m1", "10.0.0.1") }))]
    #[case(Wire::SetVipMasters(masters("m1", "10.0.0.10")))]
    #[case(Wire::SetVipMasters(masters("m1", "x")))]
    #[case(Wire::SetVipMasters(masters("m1\n", "10.0.0.1")))]
    #[case(Wire::InstallPackages(types::InstallPackages::default()))]
    #[case(Wire::SetRepository(types::SetRepository { minor: "1.34".into(), url: "https://m/".into(), ..Default::default() }))]
    fn an_argument_outside_the_rules_is_refused(#[case] action: Wire) {
        assert_eq!(wire(action).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[test]
    fn an_empty_action_is_refused() {
        assert_eq!(from_wire(types::Action { action: None }).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[rstest]
    #[case(Wire::StopService(types::StopService { unit: "kubelet.service".into() }), "stop-service")]
    #[case(Wire::MaskKubelet(types::MaskKubelet {}), "mask-kubelet")]
    #[case(Wire::UnmaskKubelet(types::UnmaskKubelet {}), "unmask-kubelet")]
    #[case(Wire::ResetKubeadm(types::ResetKubeadm { cri_socket: String::new() }), "reset-kubeadm")]
    #[case(Wire::CleanCni(types::CleanCni { profiles: vec!["flannel".into()] }), "clean-cni")]
    #[case(Wire::CleanNetfilter(types::CleanNetfilter::default()), "clean-netfilter")]
    #[case(Wire::CleanFiles(types::CleanFiles::default()), "clean-files")]
    #[case(Wire::ScanLeftovers(types::ScanLeftovers {}), "scan-leftovers")]
    #[case(Wire::StartService(types::StartService { unit: "keepalived.service".into() }), "start-service")]
    #[case(Wire::StopService(types::StopService { unit: "keepalived.service".into() }), "stop-service")]
    #[case(Wire::RemoveEtcdMember(types::RemoveEtcdMember { member_id: 1, name: String::new(), peer_urls: peers() }), "remove-etcd-member")]
    #[case(Wire::MoveEtcdLeader(types::MoveEtcdLeader { to_member_id: 1 }), "move-etcd-leader")]
    #[case(Wire::WipeEtcdData(types::WipeEtcdData { data_dir: "/var/lib/etcd".into() }), "wipe-etcd-data")]
    #[case(Wire::AddEtcdLearner(types::AddEtcdLearner { name: "m4".into(), peer_urls: peers() }), "add-etcd-learner")]
    #[case(Wire::PromoteEtcdLearner(types::PromoteEtcdLearner { member_id: 1 }), "promote-etcd-learner")]
    #[case(Wire::SetEtcdServers(types::SetEtcdServers { servers: peers() }), "set-etcd-servers")]
    #[case(Wire::UploadCertificates(types::UploadCertificates::default()), "upload-certificates")]
    #[case(Wire::SetApiServer(types::SetApiServer { server: "https://a:6443".into(), paths: vec![] }), "set-api-server")]
    #[case(Wire::SetRepository(types::SetRepository { minor: "1.34".into(), ..Default::default() }), "set-repository")]
    #[case(Wire::InstallPackages(types::InstallPackages { kubernetes: "1.34.4".into(), ..Default::default() }), "install-packages")]
    #[case(Wire::PullImages(types::PullImages { kubernetes: "1.34.4".into(), ..Default::default() }), "pull-images")]
    #[case(Wire::UpgradeKubeadm(types::UpgradeKubeadm { kubernetes: "1.34.4".into(), ..Default::default() }), "upgrade-kubeadm")]
    #[case(Wire::RestartKubelet(types::RestartKubelet { kubernetes: "1.34.4".into() }), "restart-kubelet")]
    #[case(Wire::RollBackKubelet(types::RollBackKubelet::default()), "roll-back-kubelet")]
    #[case(Wire::SetEtcdImage(types::SetEtcdImage { image: "registry.k8s.io/etcd:3.5.26-0".into() }), "set-etcd-image")]
    #[case(Wire::PrepareHost(types::PrepareHost::default()), "prepare-host")]
    #[case(Wire::UnprepareHost(types::UnprepareHost {}), "unprepare-host")]
    #[case(Wire::RemovePackages(types::RemovePackages::default()), "remove-packages")]
    #[case(Wire::SetVipMasters(masters("m1", "10.0.0.1")), "set-vip-masters")]
    #[case(Wire::JoinStore(types::JoinStore { name: "m1".into(), members: vec![peer("m1", "10.0.0.1")] }), "join-store")]
    #[case(Wire::InstallEtcdUnit(crate::install_etcd_unit::tests::wire()), "install-etcd-unit")]
    fn every_action_of_the_wire_has_its_name_and_its_commands(#[case] action: Wire, #[case] name: &str) {
        let action = wire(action).unwrap();
        assert_eq!(action.name(), name);
        assert!(!action.by_hand().is_empty());
    }
}
