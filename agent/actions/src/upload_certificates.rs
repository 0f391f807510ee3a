//! Runs `kubeadm init phase upload-certs` on a master, with a key that came with the command: what a new master needs of the cluster's
//! certificates lies in a Secret then, encrypted. The key is in no argument and in no output: whoever reads it has the whole cluster.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_proto::types;
use slipway_types::{OperationId, secret};

use crate::cri_socket::{CriSocket, KUBEADM};
use crate::long_command::{Ended, LongCommand};
use crate::perform::{change, obstacle};
use crate::wire::{bad, socket};
use crate::{Applied, Check, Done, Error, OperationContext, Perform, scratch};

const ADMIN: &str = "/etc/kubernetes/admin.conf";
const COMMAND: LongCommand = LongCommand {
    action: "upload-certificates",
    says: "kubeadm upload-certs",
    longest: Duration::from_mins(3),
    code: Code::HOST_KUBEADM,
};

/// Uploads the cluster's certificates under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadCertificates {
    socket: CriSocket,
    folder: String,
}

impl UploadCertificates {
    /// As the wire asks for it, every argument checked.
    pub fn new(upload: types::UploadCertificates) -> Result<Self, Coded> {
        let folder = upload.certificates_dir;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
        let legal = folder.starts_with('/') && folder.len() <= 256 && folder.chars().all(plain);
        if !folder.is_empty() && (!legal || folder.split('/').any(|part| part == "..")) {
            return Err(bad(format!("{folder:?} is no folder of certificates such as /etc/kubernetes/pki")));
        }
        Ok(Self { socket: CriSocket(socket(&upload.cri_socket)?), folder })
    }

    /// With the version, or kubeadm would ask the internet for one.
    fn configuration(&self, (key, socket, version): (&str, &str, &str)) -> String {
        let of = |kind: &str| json!({"apiVersion": "kubeadm.k8s.io/v1beta4", "kind": kind});
        let (mut init, mut cluster) = (of("InitConfiguration"), of("ClusterConfiguration"));
        init["certificateKey"] = key.into();
        init["nodeRegistration"] = json!({"criSocket": socket});
        cluster["kubernetesVersion"] = version.into();
        if !self.folder.is_empty() {
            cluster["certificatesDir"] = self.folder.as_str().into();
        }
        format!("{init}\n---\n{cluster}\n")
    }
}

fn done(ended: &Ended) -> Result<Done, Error> {
    match ended.exit {
        // Whether the Secret is there is for the coordinator to see, which can ask the API server.
        0 => Ok(Done { changes: vec![uploads()], record: vec![ended.line(COMMAND)] }),
        _ => Err(ended.failed(COMMAND)),
    }
}

fn uploads() -> types::Change {
    change("process", COMMAND.says, "run", "the Secret kube-system/kubeadm-certs, under a new key")
}

#[async_trait]
impl Perform for UploadCertificates {
    fn name(&self) -> &'static str {
        COMMAND.action
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "kubeadm init phase upload-certs --upload-certs   # prints the KEY, which opens the whole cluster"
                .to_owned(),
        ]
    }

    fn failure(&self) -> Code {
        COMMAND.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(COMMAND.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut obstacles = self.socket.obstacles(host).await?;
        if host.files.entry(std::path::Path::new(ADMIN)).await?.is_none() {
            let explain = format!("{ADMIN} is not there: this host is no master that could upload anything");
            obstacles.push(obstacle(Code::HOST_KUBEADM, ADMIN, explain));
        }
        Ok(Check { satisfied: false, changes: vec![uploads()], obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, _found: &Check) -> Result<Done, Error> {
        let socket = self.socket.of(host, self).await?;
        let version = host.kubeadm.version().await?.unwrap_or_default();
        let key = operation.secret.as_ref().and_then(|secret| secret.expose_text());
        let Some(key) = key.filter(|key| secret::is_certificate_key(key)) else {
            let explain = "the command brought no key of 32 bytes; the agent keeps none, so it has to be given again";
            let missing = obstacle(Code::AGENT_BAD_ARGUMENT, "certificate key", explain);
            return Err(Error::Refused { action: self.name(), obstacles: vec![missing] });
        };
        let text = self.configuration((key, &socket, &version));
        let file = scratch::keep(host, COMMAND, &operation.operation, &text).await?;
        // Without the last word kubeadm prints the key, and its output is kept.
        let words = ["init", "phase", "upload-certs", "--upload-certs", "--skip-certificate-key-print", "--config"];
        let argv = [KUBEADM].into_iter().chain(words).chain([file.as_str()]).map(str::to_owned).collect();
        let ended = COMMAND.run(host, operation, argv).await;
        scratch::forget(host, COMMAND, &operation.operation).await?;
        done(&ended?)
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let Some(ended) = COMMAND.attach(host, operation).await? else { return Ok(None) };
        scratch::forget(host, COMMAND, &operation.operation).await?;
        done(&ended).map(Some)
    }

    /// The host shows nothing of it afterwards.
    async fn confirmed(&self, _host: &Host, done: Done) -> Result<Applied, Error> {
        Ok(Applied { already_true: false, changes: done.changes, record: done.record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_in_the_configuration_and_nowhere_else() {
        let upload = UploadCertificates::new(types::UploadCertificates::default()).unwrap();
        let key = "0f".repeat(32);
        let text = upload.configuration((&key, "unix:///run/x.sock", "v1.33.13"));
        let documents: Vec<serde_json::Value> =
            text.split("\n---\n").map(|one| serde_json::from_str(one).unwrap()).collect();
        assert_eq!(documents[0]["certificateKey"], key.as_str());
        assert_eq!(documents[1]["kubernetesVersion"], "v1.33.13");
        assert!(!upload.by_hand().join(" ").contains(&key));
        for bad in ["pki", "/etc/../x", "/a b"] {
            let wire = types::UploadCertificates { certificates_dir: bad.into(), ..Default::default() };
            assert_eq!(UploadCertificates::new(wire).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
    }
}
