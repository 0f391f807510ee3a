//! Runs `kubeadm join` with a configuration that is written for this one join and taken away afterwards: it holds the bootstrap token, and for a
//! master the key of the cluster's certificates. Whether the host has joined is read from the host, whatever kubeadm said of it.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_host::{Active, Enablement, EntryKind, Host};
use slipway_proto::types::{self, Change, Obstacle};
use slipway_types::secret::JoinSecret;
use slipway_types::{NodeName, OperationId};

use crate::control_plane::ControlPlane;
use crate::cri_socket::{CriSocket, KUBEADM};
use crate::long_command::{Ended, LongCommand};
use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::wire::{bad, socket};
use crate::{Check, Done, Error, OperationContext, Perform, scratch, upgrade_kept};

const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// No kubeconfig of a kubelet is larger.
const MOST_CONFIG: usize = 64 * 1024;
const MOST_NAMES: usize = 32;
const MOST_HASHES: usize = 8;
/// Longer than all of kubeadm's own timeouts together, with images to be pulled.
const COMMAND: LongCommand = LongCommand {
    action: "join-kubeadm",
    says: "kubeadm join",
    longest: Duration::from_mins(25),
    code: Code::HOST_KUBEADM,
};

/// Joins the host to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinKubeadm {
    api_server: String,
    ca_cert_hashes: Vec<String>,
    node: NodeName,
    socket: CriSocket,
    ignored: Vec<String>,
    control_plane: Option<ControlPlane>,
}

impl JoinKubeadm {
    /// As the wire asks for it, every argument checked.
    pub fn new(join: types::JoinKubeadm) -> Result<Self, Coded> {
        if !crate::wire::is_url(&format!("https://{}", join.api_server)) {
            return Err(bad(format!("{:?} is no address of an API server such as 10.0.0.1:6443", join.api_server)));
        }
        if join.ca_cert_hashes.is_empty() || join.ca_cert_hashes.len() > MOST_HASHES {
            return Err(bad(format!(
                "{} hashes of authorities are named, 1 to {MOST_HASHES} are allowed",
                join.ca_cert_hashes.len()
            )));
        }
        if let Some(hash) = join.ca_cert_hashes.iter().find(|hash| !is_hash(hash)) {
            return Err(bad(format!("{hash:?} is no hash of an authority's public key such as sha256:HEX")));
        }
        let control_plane = join
            .control_plane
            .then(|| ControlPlane::new(&join.advertise_address, &join.ignore_preflight_errors))
            .transpose()?;
        Ok(Self {
            control_plane,
            api_server: join.api_server,
            ca_cert_hashes: join.ca_cert_hashes,
            node: NodeName::new(join.node_name).map_err(|error| bad(error.to_string()))?,
            socket: CriSocket(socket(&join.cri_socket)?),
            ignored: preflight_errors(join.ignore_preflight_errors)?,
        })
    }

    /// kubeadm reads YAML, and JSON is some.
    fn configuration(&self, (token, key): (&str, Option<&str>), socket: &str) -> String {
        let mut configuration = json!({
            "apiVersion": "kubeadm.k8s.io/v1beta4",
            "kind": "JoinConfiguration",
            "discovery": {"bootstrapToken": {
                "apiServerEndpoint": self.api_server,
                "token": token,
                "caCertHashes": self.ca_cert_hashes,
            }},
            "nodeRegistration": {
                "name": self.node,
                "criSocket": socket,
                "ignorePreflightErrors": self.ignored,
            },
        });
        if let (Some(control_plane), Some(key)) = (&self.control_plane, key) {
            configuration["controlPlane"] = control_plane.configuration(key);
        }
        configuration.to_string()
    }

    /// What came with the command, if that is all that this join needs.
    fn secret(&self, operation: &OperationContext) -> Result<JoinSecret, Error> {
        let secret = operation.secret.as_ref().and_then(JoinSecret::unpacked);
        let has_all = |secret: &JoinSecret| secret.certificate_key.is_some() == self.control_plane.is_some();
        secret.filter(has_all).ok_or_else(|| {
            let (what, explain) = match self.control_plane {
                None => ("bootstrap token", "the command brought no bootstrap token alone"),
                Some(_) => {
                    ("bootstrap token and key", "the command brought no bootstrap token with a key of certificates")
                }
            };
            let explain = format!("{explain}; the agent keeps none, so it has to be given again");
            let missing = obstacle(Code::AGENT_BAD_ARGUMENT, what, explain);
            Error::Refused { action: self.name(), obstacles: vec![missing] }
        })
    }

    async fn obstacles(&self, host: &Host) -> Result<Vec<Obstacle>, Error> {
        let mut found = self.socket.obstacles(host).await?;
        let kubelet = host.services.state(UNIT).await?;
        if matches!(kubelet.enablement, Enablement::Masked | Enablement::NotFound) {
            let explain = format!("{UNIT} is {}, so kubeadm could not start it", kubelet.enablement.as_str());
            found.push(obstacle(Code::HOST_SERVICE, UNIT, explain));
        }
        for path in [KUBELET_CONF, "/etc/kubernetes/bootstrap-kubelet.conf"] {
            if host.files.entry(Path::new(path)).await?.is_some() {
                let explain = format!("{path} is of another join, to this cluster or to another: clean the host first");
                found.push(obstacle(Code::HOST_LEFTOVERS, path, explain));
            }
        }
        if let Some(control_plane) = &self.control_plane {
            found.extend(control_plane.obstacle(host).await?);
        }
        Ok(found)
    }
}

/// The kubelet speaks with the certificate behind the link that it turns to each new one. A kubeconfig with a certificate of its own works for a
/// year and then no more.
async fn renews_its_certificate(host: &Host) -> Result<bool, Error> {
    let link = host.files.entry(Path::new(CLIENT)).await?;
    let config = host.files.read(Path::new(KUBELET_CONF), MOST_CONFIG).await?.unwrap_or_default();
    let named = String::from_utf8_lossy(&config).lines().any(|line| {
        line.trim().strip_prefix("client-certificate:").is_some_and(|path| path.trim().trim_matches('"') == CLIENT)
    });
    Ok(named && link.is_some_and(|link| link.kind == EntryKind::Symlink))
}

fn is_hash(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// Names of preflight checks whose errors are to be ignored.
pub(crate) fn preflight_errors(names: Vec<String>) -> Result<Vec<String>, Coded> {
    if names.len() > MOST_NAMES {
        return Err(bad(format!("more than {MOST_NAMES} preflight errors are to be ignored")));
    }
    match names.iter().find(|name| !is_check(name)) {
        Some(name) => Err(bad(format!("{name:?} is no name of a preflight check; \"all\" is never ignored"))),
        None => Ok(names),
    }
}

fn is_check(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 128 && !name.eq_ignore_ascii_case("all") && name.chars().all(legal)
}

#[async_trait]
impl Perform for JoinKubeadm {
    fn name(&self) -> &'static str {
        COMMAND.action
    }

    fn by_hand(&self) -> Vec<String> {
        let mut words = vec![format!("kubeadm join {} --token TOKEN", self.api_server)];
        words.extend(self.ca_cert_hashes.iter().map(|hash| format!("--discovery-token-ca-cert-hash {hash}")));
        words.push(format!("--node-name {}", self.node));
        words.extend(self.socket.0.iter().map(|socket| format!("--cri-socket {socket}")));
        words.extend(self.control_plane.iter().map(ControlPlane::words));
        if !self.ignored.is_empty() {
            words.push(format!("--ignore-preflight-errors {}", self.ignored.join(",")));
        }
        vec![words.join(" ")]
    }

    fn failure(&self) -> Code {
        COMMAND.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(COMMAND.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let runs = host.services.state(UNIT).await?.active == Active::Active;
        if runs && renews_its_certificate(host).await? {
            let changes = match &self.control_plane {
                Some(control_plane) => control_plane.missing(host).await?,
                None => Vec::new(),
            };
            let half = || obstacle(Code::HOST_LEFTOVERS, KUBELET_CONF, "a join to a control plane came only halfway");
            let obstacles = if changes.is_empty() { Vec::new() } else { vec![half()] };
            return Ok(Check { satisfied: changes.is_empty(), changes, obstacles });
        }
        let changes = vec![
            change("process", COMMAND.says, "run", format!("to {} as {}", self.api_server, self.node)),
            change("file", KUBELET_CONF, "write", "what the kubelet speaks to the API server with"),
            change("link", CLIENT, "make", "to the certificate that the kubelet renews by itself"),
            change("unit", UNIT, "start", "with the cluster's configuration"),
        ];
        Ok(Check { satisfied: false, changes, obstacles: self.obstacles(host).await? })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let socket = self.socket.of(host, self).await?;
        let secret = self.secret(operation)?;
        let key = secret.certificate_key.as_ref().and_then(|key| key.expose_text());
        let text = self.configuration((secret.token.expose_text().unwrap_or_default(), key), &socket);
        upgrade_kept::forget(host).await?;
        let file = scratch::keep(host, COMMAND, &operation.operation, &text).await?;
        let argv = [KUBEADM, "join", "--config", &file].map(str::to_owned).to_vec();
        let ended = COMMAND.run(host, operation, argv).await;
        scratch::forget(host, COMMAND, &operation.operation).await?;
        self.done((host, operation), &ended?, found.changes.clone()).await
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let Some(ended) = COMMAND.attach(host, operation).await? else { return Ok(None) };
        scratch::forget(host, COMMAND, &operation.operation).await?;
        self.done((host, operation), &ended, vec![COMMAND.begun_before()]).await.map(Some)
    }
}

impl JoinKubeadm {
    /// An exit code says little: a join that was done may end with 1, and one that was not with 0.
    async fn done(
        &self,
        (host, operation): (&Host, &OperationContext),
        ended: &Ended,
        changes: Vec<Change>,
    ) -> Result<Done, Error> {
        if ended.exit != 0 && !self.check(host).await?.satisfied {
            return Err(ended.failed(COMMAND));
        }
        if let Some(control_plane) = &self.control_plane {
            control_plane.wait(host, operation).await?;
        }
        Ok(Done { changes, record: vec![ended.line(COMMAND)] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use slipway_host::fake::FakeHost;

    pub(super) fn wire() -> types::JoinKubeadm {
        types::JoinKubeadm {
            api_server: "10.0.0.10:6443".into(),
            ca_cert_hashes: vec![format!("sha256:{}", "ab".repeat(32))],
            node_name: "w1".into(),
            cri_socket: String::new(),
            ignore_preflight_errors: vec!["NumCPU".into()],
            ..Default::default()
        }
    }

    #[rstest]
    #[case(types::JoinKubeadm { api_server: "10.0.0.10".into(), ..wire() })]
    #[case(types::JoinKubeadm { api_server: "a b:6443".into(), ..wire() })]
    #[case(types::JoinKubeadm { ca_cert_hashes: vec![], ..wire() })]
    #[case(types::JoinKubeadm { ca_cert_hashes: vec!["sha256:xy".into()], ..wire() })]
    #[case(types::JoinKubeadm { node_name: "../w1".into(), ..wire() })]
    #[case(types::JoinKubeadm { cri_socket: "tcp://10.0.0.1:1".into(), ..wire() })]
    #[case(types::JoinKubeadm { ignore_preflight_errors: vec!["all".into()], ..wire() })]
    #[case(types::JoinKubeadm { control_plane: true, ..wire() })]
    fn what_no_join_could_mean_is_refused(#[case] join: types::JoinKubeadm) {
        assert_eq!(JoinKubeadm::new(join).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[tokio::test]
    async fn a_host_has_joined_when_its_kubelet_renews_its_certificate_by_itself() {
        let (host, machine) = FakeHost::worker("w1");
        let join = JoinKubeadm::new(wire()).unwrap();
        assert!(join.check(&host).await.unwrap().satisfied);
        machine.change(|state| state.write(CLIENT, "a certificate that nobody renews"));
        assert!(!join.check(&host).await.unwrap().satisfied);
        let (host, machine) = FakeHost::worker("w1");
        machine.change(|state| state.write(KUBELET_CONF, "client-certificate-data: QQ=="));
        assert!(!join.check(&host).await.unwrap().satisfied, "its kubeconfig does not follow the link");
    }

    #[test]
    fn the_commands_by_hand_name_no_token() {
        let join = JoinKubeadm::new(wire()).unwrap();
        let by_hand = join.by_hand().join("\n");
        assert!(by_hand.contains("--token TOKEN") && by_hand.contains("--ignore-preflight-errors NumCPU"), "{by_hand}");
        let text = join.configuration(("abcdef.0123456789abcdef", None), "unix:///run/x.sock");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["discovery"]["bootstrapToken"]["token"], "abcdef.0123456789abcdef");
        assert_eq!(read["nodeRegistration"]["criSocket"], "unix:///run/x.sock");
    }

    #[test]
    fn a_master_is_told_its_address_and_the_key_in_its_configuration_alone() {
        let address = "10.0.0.12".to_owned();
        let join = JoinKubeadm::new(types::JoinKubeadm { control_plane: true, advertise_address: address, ..wire() });
        let (join, key) = (join.unwrap(), "0f".repeat(32));
        let text = join.configuration(("abcdef.0123456789abcdef", Some(&key)), "unix:///run/x.sock");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["controlPlane"]["localAPIEndpoint"]["advertiseAddress"], "10.0.0.12");
        assert_eq!(read["controlPlane"]["certificateKey"], key.as_str());
        let by_hand = join.by_hand().join("\n");
        assert!(by_hand.contains("--control-plane") && by_hand.contains("--certificate-key KEY"), "{by_hand}");
    }
}
