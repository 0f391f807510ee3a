//! The wire between a simulated host and the simulated cluster: a kubelet that does not run there says nothing here, and one that does run
//! registers its Node again. Without it a worker could leave the cluster while its kubelet is still up, and no test would notice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};
use slipway_cluster::fake::FakeApiServer;
use slipway_host::Active;
use slipway_host::fake::preset::AUTHORITY;
use slipway_host::fake::{FakeHandle, Joinable, State};
use slipway_types::KubernetesVersion;

use crate::says::Says;
use crate::workload::VIP;

/// Where kubeadm puts the certificates of the control plane.
const CERTIFICATES: &str = "kubeadm-certs";

/// Whether the kubelet of this machine runs and has credentials to speak with.
pub fn kubelet_speaks(state: &State) -> bool {
    let runs = state.units.get("kubelet.service").is_some_and(|unit| unit.active == Active::Active);
    runs && state.files.contains_key(std::path::Path::new("/etc/kubernetes/kubelet.conf"))
}

/// What VRRP does: where nobody has the address that moves, the first machine takes it whose keepalived runs.
pub fn settle_address<'m>(machines: impl Iterator<Item = &'m FakeHandle>) {
    let machines: Vec<_> = machines.collect();
    if !machines.iter().any(|machine| machine.see(State::holds_vip)) {
        let _ = machines.iter().any(|machine| machine.change(State::take_vip));
    }
}

/// What somebody sees of the cluster who is about to join: the tokens that it lets in, and its authority.
pub fn joinable(api: &FakeApiServer) -> BTreeMap<String, Joinable> {
    static HASH: OnceLock<String> = OnceLock::new();
    let mut tokens = BTreeSet::new();
    api.each("secrets", |secret| {
        let of = |key: &str| text_of(secret["data"][key].as_str().unwrap_or_default());
        if secret["type"] == "bootstrap.kubernetes.io/token" {
            tokens.insert(format!("{}.{}", of("token-id"), of("token-secret")));
        }
    });
    let hash = HASH.get_or_init(|| slipway_cluster::ca_cert_hashes(AUTHORITY.as_bytes()).concat());
    let certificates = api.object("secrets", "kube-system", CERTIFICATES);
    let certificates = certificates.and_then(|secret| secret["data"]["sealed-with"].as_str().map(text_of));
    let control_plane = newest_api_server(api);
    let cluster = Joinable { tokens, ca_cert_hash: hash.clone(), certificates, control_plane };
    BTreeMap::from([(format!("{VIP}:6443"), cluster)])
}

/// What kubeadm has written down as the version of the control plane: what the first master has that was upgraded.
fn newest_api_server(api: &FakeApiServer) -> String {
    let mut newest: Option<KubernetesVersion> = None;
    api.each("pods", |pod| {
        if pod["metadata"]["labels"]["component"] == "kube-apiserver" {
            let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
            newest = newest.max(image.rsplit_once(':').and_then(|(_, tag)| tag.parse().ok()));
        }
    });
    newest.map(|version| version.to_string()).unwrap_or_default()
}

fn text_of(encoded: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap_or_default()).unwrap_or_default()
}

/// What a kubeadm that uploads certificates leaves in the cluster: a token that is no use to anybody, and the Secret that ends with it. An
/// upload under another key makes another token.
pub fn upload(api: &FakeApiServer, sealed_with: &str) {
    let of = |text: &str| BASE64_STANDARD.encode(text);
    let id: String = sealed_with.chars().take(6).collect();
    let token = format!("bootstrap-token-{id}");
    let proxy = "Proxy for managing TTL for the kubeadm-certs secret";
    let metadata = |name: &str| json!({"name": name, "namespace": "kube-system"});
    let data = json!({"token-id": of(&id), "token-secret": of("0123456789abcdef"), "description": of(proxy)});
    let made = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token", "metadata": metadata(&token), "data": data,
    });
    // Neither is refused: this file itself gives them their form.
    let _ = api.apply(made);
    let uid = api.object("secrets", "kube-system", &token).map(|made| made["metadata"]["uid"].clone());
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": metadata(CERTIFICATES), "data": {"sealed-with": of(sealed_with)},
    });
    secret["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Secret", "name": token, "uid": uid}]);
    let _ = api.delete("secrets", "kube-system", CERTIFICATES);
    let _ = api.apply(secret);
}

/// Who approves what a kubelet asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Approver {
    /// The controller manager, as kubeadm's bindings have it.
    #[default]
    Cluster,
    /// A person with kubectl.
    Person,
    /// Nobody.
    Nobody,
}

/// What the cluster was told.
#[derive(Debug, Default)]
struct Told {
    says: BTreeMap<String, Says>,
    /// With which token's id each kubelet has asked for its certificate.
    asked: BTreeMap<String, String>,
    approver: Approver,
}

/// Tells the cluster how kubelets are, when that has changed: telling makes its controllers look at everything.
#[derive(Debug, Clone, Default)]
pub struct Wire(Arc<Mutex<Told>>);

impl Wire {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on that is who approves.
    pub fn approved_by(&self, approver: Approver) {
        self.told().approver = approver;
    }

    /// The kubelet of `name` says that, or nothing any more.
    pub fn tell(&self, api: &FakeApiServer, name: &str, says: Says) {
        let mut told = self.told();
        let before = told.says.get(name);
        if before == Some(&says) {
            return;
        }
        if before.map(|before| before.speaks) != Some(says.speaks) {
            api.kubelet(name, says.speaks);
            api.tick();
        }
        if says.speaks {
            says.tell(api, name, before);
        }
        told.says.insert(name.to_owned(), says);
    }

    /// The kubelet of `name` asks for its certificate with the token of that id, once; an empty id: it has asked with none.
    pub fn ask(&self, api: &FakeApiServer, name: &str, token_id: &str) {
        let mut told = self.told();
        if token_id.is_empty() {
            told.asked.remove(name);
        } else if told.asked.insert(name.to_owned(), token_id.to_owned()).as_deref() != Some(token_id) {
            // The only refusal would be of an object that this file itself got wrong.
            let _ = api.apply(request(name, token_id, told.approver));
        }
    }
}

/// The certificate request of a kubelet that joins, as a kubelet writes it, and as it stands once somebody has decided.
pub fn request(name: &str, token_id: &str, approver: Approver) -> Value {
    let (reason, manager) = match approver {
        Approver::Cluster => ("AutoApproved", "kube-controller-manager"),
        Approver::Person => ("KubectlApprove", "kubectl"),
        Approver::Nobody => ("", ""),
    };
    let mut object = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": format!("csr-{name}-{token_id}")},
        "spec": {
            "request": BASE64_STANDARD.encode(pem_of(name)), "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["digital signature", "client auth"], "username": format!("system:bootstrap:{token_id}"),
            "groups": ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated"],
        },
    });
    if approver != Approver::Nobody {
        object["metadata"]["managedFields"] =
            json!([{"manager": manager, "operation": "Update", "subresource": "approval"}]);
        object["status"] = json!({
            "conditions": [{"type": "Approved", "status": "True", "reason": reason, "message": "it may"}],
            "certificate": BASE64_STANDARD.encode(AUTHORITY),
        });
    }
    object
}

/// One for each name: to make them is dear, and worlds are many.
fn pem_of(name: &str) -> String {
    static MADE: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(name.to_owned())
        .or_insert_with(|| {
            let mut asks = CertificateParams::default();
            asks.distinguished_name = DistinguishedName::new();
            asks.distinguished_name.push(DnType::OrganizationName, "system:nodes");
            asks.distinguished_name.push(DnType::CommonName, format!("system:node:{name}"));
            let pem =
                KeyPair::generate().and_then(|key| asks.serialize_request(&key)).and_then(|request| request.pem());
            pem.unwrap_or_default()
        })
        .clone()
}
