//! The certificate requests of a kubelet that joins: who asked, for which name, of which signer, and who said yes. A certificate that was given
//! by anybody but the cluster itself, or for another name, is a way in that nobody wanted (<https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/>).

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1 as api;
use kube::api::ListParams;
use slipway_types::NodeName;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::nodes::DeleteOutcome;
use crate::{ClusterApi, Error};

const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const SERVING_SIGNER: &str = "kubernetes.io/kubelet-serving";
const NODES: &str = "system:nodes";
/// The reason that the controller manager gives when it approves what kubeadm's bindings allow.
const BY_THE_CLUSTER: &str = "AutoApproved";

/// What was decided over a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestDecision {
    /// Nothing yet.
    Pending,
    /// Somebody said yes.
    Approved {
        /// In the approver's words.
        reason: String,
        /// The program that wrote the yes; empty: not told.
        by: String,
    },
    /// Somebody said no, or the signer could not sign.
    Refused {
        /// In their words.
        why: String,
    },
}

/// A certificate request, in the words that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeletRequest {
    /// Its name.
    pub name: String,
    /// Which request of that name.
    pub uid: String,
    /// Who asked.
    pub requester: String,
    /// Who is to sign.
    pub signer: String,
    /// The common name that it asks for; empty: it cannot be read.
    pub common_name: String,
    /// The organisations that it asks for.
    pub organizations: Vec<String>,
    /// What was decided.
    pub decision: RequestDecision,
    /// The certificate is there.
    pub issued: bool,
}

/// How a kubelet came by its certificate, as far as its requests tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certified {
    /// By the cluster itself, under its own name, from the right signer.
    ByTheCluster(String),
    /// No request is left that could tell.
    NoTrace,
    /// Nobody has decided yet.
    Pending(String),
    /// It was refused.
    Refused(String),
    /// Somebody else said yes.
    ByAnother(String),
    /// The token was used to ask for something that no kubelet of that name needs.
    Misused(String),
}

impl KubeletRequest {
    fn read(request: api::CertificateSigningRequest) -> Self {
        let (metadata, spec) = (request.metadata, request.spec);
        let managers = metadata.managed_fields.unwrap_or_default();
        let approval = managers.into_iter().find(|entry| entry.subresource.as_deref() == Some("approval"));
        let status = request.status.unwrap_or_default();
        let (common_name, organizations) = subject(&spec.request.0).unwrap_or_default();
        Self {
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            requester: spec.username.unwrap_or_default(),
            signer: spec.signer_name,
            common_name,
            organizations,
            decision: decision(&status.conditions.unwrap_or_default(), approval.and_then(|entry| entry.manager)),
            issued: status.certificate.is_some_and(|ByteString(bytes)| !bytes.is_empty()),
        }
    }

    /// What it asks for that a kubelet called `node` does not need.
    fn misuse(&self, node: &NodeName) -> Option<String> {
        if self.signer != CLIENT_SIGNER {
            return Some(format!("{} asks the signer {}", self.name, self.signer));
        }
        if self.common_name != user_of(node) || self.organizations != [NODES] {
            let organizations = self.organizations.join(", ");
            return Some(format!("{} asks for CN {:?}, O {organizations:?}", self.name, self.common_name));
        }
        None
    }

    fn says(&self) -> Certified {
        match &self.decision {
            RequestDecision::Approved { reason, .. } if reason == BY_THE_CLUSTER && self.issued => {
                Certified::ByTheCluster(self.name.clone())
            }
            RequestDecision::Approved { reason, .. } if reason == BY_THE_CLUSTER => {
                Certified::Pending(format!("{} is approved and not signed yet", self.name))
            }
            RequestDecision::Approved { reason, by } => {
                let by = if by.is_empty() { "somebody" } else { by };
                Certified::ByAnother(format!("{} was approved by {by} ({reason})", self.name))
            }
            RequestDecision::Pending => Certified::Pending(format!("{} waits for approval", self.name)),
            RequestDecision::Refused { why } => Certified::Refused(format!("{} was refused: {why}", self.name)),
        }
    }
}

/// How the kubelet of `node` came by its certificate, from the requests that were made with its token. Misuse is said before anything else: one
/// good request does not make up for another that asks for more.
pub fn certified(requests: &[KubeletRequest], node: &NodeName) -> Certified {
    if let Some(misuse) = requests.iter().find_map(|request| request.misuse(node)) {
        return Certified::Misused(misuse);
    }
    let said: Vec<Certified> = requests.iter().map(KubeletRequest::says).collect();
    let rank = |one: &Certified| match one {
        Certified::ByTheCluster(_) => 0,
        Certified::ByAnother(_) => 1,
        Certified::Pending(_) => 2,
        _ => 3,
    };
    said.into_iter().min_by_key(rank).unwrap_or(Certified::NoTrace)
}

fn user_of(node: &NodeName) -> String {
    format!("system:node:{node}")
}

fn decision(conditions: &[api::CertificateSigningRequestCondition], by: Option<String>) -> RequestDecision {
    let of = |kind: &str| conditions.iter().find(|condition| condition.type_ == kind);
    let words = |condition: &api::CertificateSigningRequestCondition| {
        let parts = [condition.reason.clone(), condition.message.clone()];
        parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
    };
    match (of("Denied").or_else(|| of("Failed")), of("Approved")) {
        (Some(refusal), _) => RequestDecision::Refused { why: words(refusal) },
        (None, Some(yes)) => {
            RequestDecision::Approved { reason: yes.reason.clone().unwrap_or_default(), by: by.unwrap_or_default() }
        }
        (None, None) => RequestDecision::Pending,
    }
}

/// Common name and organisations of a request in PEM.
fn subject(pem: &[u8]) -> Option<(String, Vec<String>)> {
    let block = x509_parser::pem::Pem::iter_from_buffer(pem).next()?.ok()?;
    let (_, request) = X509CertificationRequest::from_der(&block.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let organizations = subject.iter_organization().map(|one| one.as_str().unwrap_or_default().to_owned());
    Some((name, organizations.collect()))
}

impl ClusterApi {
    /// The requests that were made with the bootstrap token of that id.
    pub async fn requests_with_token(&self, token_id: &str) -> Result<Vec<KubeletRequest>, Error> {
        let user = format!("system:bootstrap:{token_id}");
        Ok(self.requests().await?.into_iter().filter(|request| request.requester == user).collect())
    }

    /// Names of the undecided requests by which the kubelet of a node asks for the certificate that it serves with. No cluster approves these
    /// by itself, and neither do we: they are a person's to look at.
    pub async fn undecided_serving_requests(&self, node: &NodeName) -> Result<Vec<String>, Error> {
        let user = user_of(node);
        let asks = |request: &KubeletRequest| request.requester == user && request.signer == SERVING_SIGNER;
        let all = self.requests().await?.into_iter();
        Ok(all.filter(|one| asks(one) && one.decision == RequestDecision::Pending).map(|one| one.name).collect())
    }

    /// Deletes the request with that uid. What was issued stays good.
    pub async fn delete_request(&self, request: &KubeletRequest) -> Result<DeleteOutcome, Error> {
        let path = format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{}", request.name);
        self.delete_by_uid(&format!("delete the certificate request {}", request.name), &path, &request.uid).await
    }

    async fn requests(&self) -> Result<Vec<KubeletRequest>, Error> {
        let api: kube::Api<api::CertificateSigningRequest> = kube::Api::all(self.client());
        let all = self.list("list the certificate requests", &api, &ListParams::default()).await?;
        Ok(all.into_iter().map(KubeletRequest::read).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node() -> NodeName {
        "w2".parse().unwrap()
    }

    fn request(decision: RequestDecision) -> KubeletRequest {
        KubeletRequest {
            name: "csr-1".into(),
            uid: "u".into(),
            requester: "system:bootstrap:abcdef".into(),
            signer: CLIENT_SIGNER.into(),
            common_name: "system:node:w2".into(),
            organizations: vec![NODES.into()],
            decision,
            issued: true,
        }
    }

    fn approved(reason: &str) -> RequestDecision {
        RequestDecision::Approved { reason: reason.into(), by: "kubectl".into() }
    }

    #[test]
    fn the_clusters_own_yes_counts_and_only_once_the_certificate_is_there() {
        let good = request(approved(BY_THE_CLUSTER));
        assert_eq!(certified(std::slice::from_ref(&good), &node()), Certified::ByTheCluster("csr-1".into()));
        let unsigned = KubeletRequest { issued: false, ..good.clone() };
        assert!(matches!(certified(std::slice::from_ref(&unsigned), &node()), Certified::Pending(_)));
        assert!(matches!(certified(&[unsigned, good], &node()), Certified::ByTheCluster(_)), "kubelets ask again");
        assert_eq!(certified(&[], &node()), Certified::NoTrace);
    }

    #[test]
    fn another_approver_is_named() {
        let Certified::ByAnother(who) = certified(&[request(approved("KubectlApprove"))], &node()) else {
            panic!("somebody approved it")
        };
        assert_eq!(who, "csr-1 was approved by kubectl (KubectlApprove)");
    }

    #[test]
    fn a_token_that_asked_for_more_is_said_before_all_that_is_well() {
        let pending = || request(RequestDecision::Pending);
        for other in [
            KubeletRequest { common_name: "system:node:m1".into(), ..pending() },
            KubeletRequest { organizations: vec![NODES.into(), "system:masters".into()], ..pending() },
            KubeletRequest { organizations: vec![], ..pending() },
            KubeletRequest { signer: "kubernetes.io/kube-apiserver-client".into(), ..pending() },
            KubeletRequest { common_name: String::new(), ..pending() },
        ] {
            let both = [request(approved(BY_THE_CLUSTER)), other];
            assert!(matches!(certified(&both, &node()), Certified::Misused(_)), "{both:?}");
        }
    }

    #[test]
    fn a_no_is_a_no_also_beside_a_yes() {
        let conditions = json!([
            {"type": "Approved", "status": "True", "reason": "AutoApproved"},
            {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": "no"},
        ]);
        let conditions: Vec<api::CertificateSigningRequestCondition> = serde_json::from_value(conditions).unwrap();
        assert_eq!(decision(&conditions, None), RequestDecision::Refused { why: "SignerValidationFailure: no".into() });
        assert_eq!(decision(&[], None), RequestDecision::Pending);
    }

    #[test]
    fn what_is_no_request_has_no_subject() {
        assert_eq!(subject(b"-----BEGIN CERTIFICATE REQUEST-----\nQQ==\n-----END CERTIFICATE REQUEST-----\n"), None);
        assert_eq!(subject(b""), None);
    }
}
