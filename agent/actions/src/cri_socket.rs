//! What kubeadm needs on a host before it may run: itself, and the container runtime's socket, named or found.

use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::cri::{self, Cri};
use slipway_proto::types::Obstacle;

use crate::perform::obstacle;
use crate::{Error, Perform};

pub(crate) const KUBEADM: &str = "/usr/bin/kubeadm";

/// The runtime's socket; none: the one that the host is found to use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CriSocket(pub(crate) Option<String>);

impl CriSocket {
    async fn find(&self, host: &Host) -> Result<Option<String>, Error> {
        if self.0.is_some() {
            return Ok(self.0.clone());
        }
        Ok(match cri::find(host).await? {
            Cri::At(socket) => Some(socket),
            Cri::Absent | Cri::Silent { .. } => None,
        })
    }

    /// The socket that `action` is to use.
    pub(crate) async fn of(&self, host: &Host, action: &impl Perform) -> Result<String, Error> {
        let refused = || Error::Refused { action: action.name(), obstacles: vec![no_socket()] };
        self.find(host).await?.ok_or_else(refused)
    }

    /// What keeps kubeadm from being run here.
    pub(crate) async fn obstacles(&self, host: &Host) -> Result<Vec<Obstacle>, Error> {
        let mut found = Vec::new();
        if host.kubeadm.version().await?.is_none() {
            found.push(obstacle(Code::HOST_KUBEADM, KUBEADM, "kubeadm is not installed on this host: install it"));
        }
        if self.find(host).await?.is_none() {
            found.push(no_socket());
        }
        Ok(found)
    }
}

fn no_socket() -> Obstacle {
    let explain = "no socket of a container runtime was found, and without one kubeadm leaves the containers: start the runtime, or name its socket";
    obstacle(Code::HOST_KUBEADM, "CRI socket", explain)
}
