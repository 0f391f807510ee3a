//! From the wire's closed list to actions. Every argument is checked here, before anything is read or done.

use slipway_errors::{Code, Coded};
use slipway_host::cri;
use slipway_proto::types::action::Action as Wire;

use crate::{
    CleanCni, CleanFiles, CleanNetfilter, MaskKubelet, Perform, ResetKubeadm, ScanLeftovers, StopService, UnmaskKubelet,
};

const PROFILES: usize = 32;

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
    })
}

fn bad(why: impl Into<String>) -> Coded {
    Coded::new(Code::AGENT_BAD_ARGUMENT, why)
}

fn socket(text: &str) -> Result<Option<String>, Coded> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use slipway_proto::types;

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
    fn every_action_of_the_wire_has_its_name_and_its_commands(#[case] action: Wire, #[case] name: &str) {
        let action = wire(action).unwrap();
        assert_eq!(action.name(), name);
        assert!(!action.by_hand().is_empty());
    }
}
