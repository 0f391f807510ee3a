//! What can be typed after `slipway-agent`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use slipway_proto::types::{
    Action, CleanCni, CleanFiles, CleanNetfilter, InstallPackages, MaskKubelet, PrepareHost, PullImages,
    RemovePackages, ResetKubeadm, RestartKubelet, RollBackKubelet, ScanLeftovers, SetEtcdImage, SetRepository,
    StopService, UnmaskKubelet, UpgradeKubeadm, action::Action as Wire,
};

/// Slipway's agent: does a closed list of typed things to this host, asked by the coordinator that leads.
#[derive(Debug, Parser)]
#[command(name = "slipway-agent", version, after_help = EXIT_CODES)]
pub struct Command {
    /// What to do; without one the agent runs.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// What holds for every verb.
    #[command(flatten)]
    pub options: Options,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed, with a code that `slipway explain` knows; 2 wrong usage; \
    of `check`: 3 something is to be done, 4 something stands in the way.";

/// What holds for every verb.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Reads configuration fragments from this folder alone (may be repeated; later ones win)
    #[arg(long, global = true, value_name = "FOLDER")]
    pub config_dir: Vec<PathBuf>,
    /// The folder that must not be lost
    #[arg(long, global = true, value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,
    /// Where coordinators reach the agent
    #[arg(long, global = true, value_name = "IP:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where Prometheus reads, a loopback address
    #[arg(long, global = true, value_name = "IP:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Looks and reports, and refuses to change anything on the host
    #[arg(long, global = true)]
    pub observe: bool,
    /// Runs over a simulated host that is kept in this folder: nothing happens to the real one
    #[arg(long, global = true, value_name = "FOLDER")]
    pub simulated: Option<PathBuf>,
    /// Prints the configuration that is in force, and ends
    #[arg(long, global = true)]
    pub print_config: bool,
    /// Says more; twice: everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Runs the agent
    Run,
    /// Makes this host known to a cluster, with a token that `slipway token create` printed
    Enrol(EnrolArgs),
    /// Shows or resets the highest leadership that this agent has seen
    Fence {
        /// Which of the two.
        #[command(subcommand)]
        verb: FenceVerb,
    },
    /// Shows what an action would do to this host, and does nothing
    Check(CheckArgs),
}

/// Of `enrol`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// The coordinator; of several all, with commas between
    #[arg(long, value_name = "HOST:PORT,...")]
    pub coordinator: String,
    /// The one-time token
    #[arg(long, env = "SLIPWAY_TOKEN", hide_env_values = true)]
    pub token: String,
    /// The hash of the cluster's root, as printed beside the token
    #[arg(long, value_name = "sha256:HEX")]
    pub ca_hash: String,
    /// The name that the token was made for; without it the host's own
    #[arg(long)]
    pub name: Option<String>,
    /// Where the coordinator will reach this agent
    #[arg(long, value_name = "IP:PORT")]
    pub address: String,
    /// Takes the place of an enrolment that is there
    #[arg(long)]
    pub force: bool,
}

/// Of `fence`.
#[derive(Debug, Subcommand)]
pub enum FenceVerb {
    /// Shows it
    Show,
    /// Forgets it, so that the next coordinator that comes is obeyed, of whatever lineage
    Reset {
        /// Yes, the coordinator that led before is gone for good
        #[arg(long)]
        yes: bool,
    },
}

/// Of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The action
    #[arg(value_parser = ACTIONS)]
    pub action: String,
    /// The unit, for stop-service
    #[arg(long, default_value = "kubelet.service")]
    pub unit: String,
    /// The runtime's endpoint, for reset-kubeadm; without it the one that the host is found to use
    #[arg(long, default_value = "")]
    pub cri_socket: String,
    /// A cleanup profile, for the clean actions (may be repeated); without it all that left traces
    #[arg(long)]
    pub profile: Vec<String>,
    /// The version, for install-packages, pull-images, upgrade-kubeadm and restart-kubelet; its minor, for set-repository; for
    /// roll-back-kubelet it is the last upgrade that this agent began
    #[arg(long, default_value = "1.34.0", value_name = "VERSION")]
    pub kubernetes: String,
    /// The URL, for set-repository; without it what it would take to have everything as before
    #[arg(long, default_value = "", value_name = "URL")]
    pub repository: String,
    /// Where images come from, for pull-images; without it kubeadm's own
    #[arg(long, default_value = "", value_name = "REGISTRY")]
    pub image_repository: String,
    /// The host is a control-plane node, for pull-images and upgrade-kubeadm
    #[arg(long)]
    pub control_plane: bool,
    /// It is the one that `kubeadm upgrade apply` runs on, for upgrade-kubeadm; without it `kubeadm upgrade node`
    #[arg(long, requires = "control_plane")]
    pub first: bool,
    /// The image, for set-etcd-image
    #[arg(long, default_value = "registry.k8s.io/etcd:3.5.26-0", value_name = "IMAGE")]
    pub image: String,
}

const ACTIONS: [&str; 17] = [
    "stop-service",
    "mask-kubelet",
    "unmask-kubelet",
    "reset-kubeadm",
    "clean-cni",
    "clean-netfilter",
    "clean-files",
    "scan-leftovers",
    "set-repository",
    "install-packages",
    "remove-packages",
    "prepare-host",
    "pull-images",
    "upgrade-kubeadm",
    "restart-kubelet",
    "roll-back-kubelet",
    "set-etcd-image",
];

impl CheckArgs {
    /// The action, as it would come over the wire.
    pub fn to_wire(&self) -> Action {
        let profiles = self.profile.clone();
        let action = match self.action.as_str() {
            "stop-service" => Some(Wire::StopService(StopService { unit: self.unit.clone() })),
            "mask-kubelet" => Some(Wire::MaskKubelet(MaskKubelet {})),
            "unmask-kubelet" => Some(Wire::UnmaskKubelet(UnmaskKubelet {})),
            "reset-kubeadm" => Some(Wire::ResetKubeadm(ResetKubeadm { cri_socket: self.cri_socket.clone() })),
            "clean-cni" => Some(Wire::CleanCni(CleanCni { profiles })),
            "clean-netfilter" => Some(Wire::CleanNetfilter(CleanNetfilter { profiles })),
            "clean-files" => Some(Wire::CleanFiles(CleanFiles { profiles })),
            "scan-leftovers" => Some(Wire::ScanLeftovers(ScanLeftovers {})),
            "set-repository" => Some(Wire::SetRepository(self.repository())),
            "install-packages" => Some(Wire::InstallPackages(InstallPackages {
                kubernetes: self.kubernetes.clone(),
                ..Default::default()
            })),
            "remove-packages" => Some(Wire::RemovePackages(RemovePackages::default())),
            "prepare-host" => Some(Wire::PrepareHost(PrepareHost::default())),
            _ => self.of_upgrade(),
        };
        Action { action }
    }

    fn of_upgrade(&self) -> Option<Wire> {
        let kubernetes = self.kubernetes.clone();
        match self.action.as_str() {
            "pull-images" => Some(Wire::PullImages(PullImages {
                kubernetes,
                image_repository: self.image_repository.clone(),
                control_plane: self.control_plane,
                more_images: Vec::new(),
            })),
            "upgrade-kubeadm" => Some(Wire::UpgradeKubeadm(UpgradeKubeadm {
                kubernetes,
                first: self.first,
                control_plane: self.control_plane,
                ..Default::default()
            })),
            "restart-kubelet" => Some(Wire::RestartKubelet(RestartKubelet { kubernetes })),
            "roll-back-kubelet" => Some(Wire::RollBackKubelet(RollBackKubelet::default())),
            "set-etcd-image" => Some(Wire::SetEtcdImage(SetEtcdImage { image: self.image.clone() })),
            _ => None,
        }
    }

    fn repository(&self) -> SetRepository {
        let minor = self.kubernetes.split('.').take(2).collect::<Vec<_>>().join(".");
        SetRepository { minor, url: self.repository.clone(), ..Default::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Command::command().debug_assert();
    }

    #[test]
    fn every_action_that_can_be_typed_is_one_of_the_wire_under_the_same_name() {
        for name in ACTIONS {
            let command = Command::try_parse_from(["slipway-agent", "check", name]).unwrap();
            let Some(Verb::Check(check)) = command.verb else { panic!("no check") };
            assert_eq!(slipway_actions::from_wire(check.to_wire()).unwrap().name(), name);
        }
        assert!(Command::try_parse_from(["slipway-agent", "check", "run-shell"]).is_err());
    }

    #[test]
    fn without_a_verb_the_agent_runs() {
        let command = Command::try_parse_from(["slipway-agent", "--observe", "--state-dir", "/x"]).unwrap();
        assert!(command.verb.is_none() && command.options.observe);
    }
}
