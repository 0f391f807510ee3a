//! When a host is a master, as far as the host itself can tell: its static pods have manifests, kubeadm has ended, its member of etcd votes, and
//! its own API server is ready. A kubeadm that hangs between adding a member and letting it vote leaves everything but that.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_proto::types::{Change, Obstacle};

use crate::membership::{membership, named};
use crate::perform::{change, obstacle};
use crate::wire::bad;
use crate::{Error, OperationContext};

const MANIFESTS: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];
const FOLDER: &str = "/etc/kubernetes/manifests";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const CA_LIMIT: usize = 1 << 20;
const PORT: u16 = 6443;
/// The preflight check that keeps a new member from the data of an old one.
const NEVER_IGNORED: &str = "DirAvailable--var-lib-etcd";
/// How long a control plane may take to come up once kubeadm has ended well.
const LONGEST: Duration = Duration::from_mins(5);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What a join of a master has beyond one of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlPlane {
    address: IpAddr,
}

impl ControlPlane {
    /// With the address that its API server tells others, and without a preflight error ignored that must not be.
    pub(crate) fn new(address: &str, ignored: &[String]) -> Result<Self, Coded> {
        let address: IpAddr =
            address.parse().map_err(|_| bad(format!("{address:?} is no address that an API server could have")))?;
        if address.is_loopback() || address.is_unspecified() {
            return Err(bad(format!("{address} is no address at which others could reach an API server")));
        }
        if ignored.iter().any(|name| name.eq_ignore_ascii_case(NEVER_IGNORED)) {
            return Err(bad(format!("{NEVER_IGNORED} is never ignored: a member would start on another one's data")));
        }
        Ok(Self { address })
    }

    /// Its part of kubeadm's configuration.
    pub(crate) fn configuration(&self, certificate_key: &str) -> Value {
        json!({
            "localAPIEndpoint": {"advertiseAddress": self.address.to_string(), "bindPort": PORT},
            "certificateKey": certificate_key,
        })
    }

    /// The words that it adds to the command by hand.
    pub(crate) fn words(&self) -> String {
        format!("--control-plane --apiserver-advertise-address {} --certificate-key KEY", self.address)
    }

    pub(crate) async fn obstacle(&self, host: &Host) -> Result<Option<Obstacle>, Error> {
        let own = self.address.to_string();
        let has = |address: &String| address.split('/').next() == Some(own.as_str());
        if host.links.list().await?.iter().any(|link| link.addresses.iter().any(has)) {
            return Ok(None);
        }
        let explain = format!("{own} is no address of this host, so nobody would reach its API server there");
        Ok(Some(obstacle(Code::HOST_KUBEADM, own, explain)))
    }

    /// What is not there yet.
    pub(crate) async fn missing(&self, host: &Host) -> Result<Vec<Change>, Error> {
        let mut missing = Vec::new();
        for name in MANIFESTS {
            let path = format!("{FOLDER}/{name}.yaml");
            if host.files.entry(Path::new(&path)).await?.is_none() {
                missing.push(change("file", path, "write", "the static pod of a control plane"));
            }
        }
        let runs = |word: &String| word == "join";
        if host.processes.list().await?.iter().any(|one| one.comm == "kubeadm" && one.cmdline.iter().any(runs)) {
            missing.push(change("process", "kubeadm join", "run", "it has not ended yet"));
        }
        if !missing.is_empty() {
            return Ok(missing);
        }
        missing.extend(no_vote(host).await?);
        let server = self.server();
        let ca = host.files.read(Path::new(CA), CA_LIMIT).await?.unwrap_or_default();
        if !host.api_servers.ready(&server, &ca).await.unwrap_or(false) {
            missing.push(change("process", "kube-apiserver", "start", format!("it is not ready at {server}")));
        }
        Ok(missing)
    }

    fn server(&self) -> String {
        match self.address {
            IpAddr::V4(address) => format!("https://{address}:{PORT}"),
            IpAddr::V6(address) => format!("https://[{address}]:{PORT}"),
        }
    }

    /// Gives what kubeadm has started the time to come up. What is missing then is for the look that follows.
    pub(crate) async fn wait(&self, host: &Host, operation: &OperationContext) -> Result<(), Error> {
        let until = operation.clock.since_boot() + LONGEST;
        while let Some(first) = self.missing(host).await?.first() {
            if operation.clock.since_boot() >= until {
                break;
            }
            operation.progress.say(format!("waits for {}: {}", first.what, first.detail));
            operation.go_on("join-kubeadm")?;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }
}

/// The member of this host, while it has no vote.
async fn no_vote(host: &Host) -> Result<Option<Change>, Error> {
    let found = match membership(host).await? {
        Ok(found) => found,
        Err(obstacle) => return Ok(Some(change("member", obstacle.what, "start", obstacle.explain))),
    };
    let own = found.by_id(found.members.answered);
    Ok(own.filter(|own| own.learner).map(|own| change("member", named(own), "promote", "it does not vote yet")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_nobody_reaches_and_data_of_another_member_are_refused() {
        for bad in ["", "m1", "127.0.0.1", "::", "10.0.0.1:6443"] {
            assert_eq!(ControlPlane::new(bad, &[]).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
        let data = ["diravailable--var-lib-etcd".to_owned()];
        assert_eq!(ControlPlane::new("10.0.0.1", &data).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
        assert_eq!(ControlPlane::new("fd00::1", &[]).unwrap().server(), "https://[fd00::1]:6443");
    }
}
