//! Credentials that are on hosts, taken along by the tests' own hands: an administrator's, and a kubelet's as a thief would have it.

use anyhow::{Context as _, Result, ensure};

use crate::host::Host;
use crate::https::{Client, Credentials};
use crate::lab::Lab;

const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
const KUBELET: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const ADMIN: &str = r"
field() { kubectl config view --raw -o jsonpath={.users[0].user.$1} | base64 --decode; }
field client-certificate-data; field client-key-data
";

/// The administrator's.
pub(crate) fn administrator(lab: &Lab) -> Result<Credentials> {
    let master = lab.master()?;
    let identity = master.script("admin-credentials", ADMIN, &[])?;
    Ok(Credentials { authority: master.read_file(AUTHORITY)?, identity })
}

/// A copy of what a node's kubelet shows to API servers.
pub(crate) struct KubeletCredentials {
    node: String,
    credentials: Credentials,
}

/// What an API server said to a request made with them.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    /// The words of its answer.
    pub(crate) message: String,
}

impl KubeletCredentials {
    /// Takes a copy, while the host is up, and checks that they are good: a worthless copy would prove nothing later.
    pub(crate) fn copy(host: &Host, api_server: &str) -> Result<Self> {
        let credentials = Credentials { authority: host.read_file(AUTHORITY)?, identity: host.read_file(KUBELET)? };
        let copy = Self { node: host.name().to_owned(), credentials };
        let said = copy.creates_its_node(api_server)?;
        ensure!(said.status == 409, "the copy is not good for registering a node: {said:?}");
        Ok(copy)
    }

    /// Registers the node as its kubelet would.
    pub(crate) fn creates_its_node(&self, api_server: &str) -> Result<Said> {
        let node = serde_json::json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.node, "labels": {"kubernetes.io/hostname": self.node}},
        });
        self.asks(api_server, "POST", "/api/v1/nodes", &node.to_string())
    }

    /// Says that the node lives, as its kubelet does every ten seconds.
    pub(crate) fn renews_its_lease(&self, api_server: &str) -> Result<Said> {
        let lease = serde_json::json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.node, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": self.node, "leaseDurationSeconds": 40},
        });
        self.asks(
            api_server,
            "POST",
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases",
            &lease.to_string(),
        )
    }

    fn asks(&self, api_server: &str, verb: &str, path: &str, body: &str) -> Result<Said> {
        let mut client = Client::new(api_server, &self.credentials)?;
        let reply = client.ask(verb, path, body).with_context(|| format!("ask the API server at {api_server}"))?;
        let said: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let message = said["message"].as_str().map_or(reply.body, str::to_owned);
        Ok(Said { status: reply.status, message })
    }
}
