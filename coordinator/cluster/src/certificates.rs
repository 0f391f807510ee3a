//! The certificates of the control plane, uploaded for a master that joins: the Secret `kubeadm-certs`, encrypted, and the token that kubeadm
//! makes only so that the Secret ends with it after two hours. Both are deleted as soon as they have served.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;

use crate::kubeadm_config::KUBE_SYSTEM;
use crate::{ClusterApi, Error};

const NAME: &str = "kubeadm-certs";
/// What kubeadm writes into such a token, and into no other.
const PROXY: &str = "Proxy for managing TTL for the kubeadm-certs secret";

/// Certificates that are uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedCertificates {
    uid: String,
    /// Which state of the Secret was seen.
    pub resource_version: String,
    /// The Secret of the token that they end with: each upload makes another. Empty: they end with none.
    pub token: String,
    token_uid: String,
}

impl UploadedCertificates {
    fn read(secret: core::Secret) -> Self {
        let owner = secret.metadata.owner_references.unwrap_or_default().into_iter().find(|one| one.kind == "Secret");
        let (token, token_uid) = owner.map(|owner| (owner.name, owner.uid)).unwrap_or_default();
        Self {
            uid: secret.metadata.uid.unwrap_or_default(),
            resource_version: secret.metadata.resource_version.unwrap_or_default(),
            token,
            token_uid,
        }
    }
}

impl ClusterApi {
    /// The certificates that are uploaded now.
    pub async fn uploaded_certificates(&self) -> Result<Option<UploadedCertificates>, Error> {
        let secret = self.secret("look at the uploaded certificates", NAME).await?;
        Ok(secret.map(UploadedCertificates::read))
    }

    /// Deletes them, and the token that they end with.
    pub async fn delete_uploaded_certificates(&self, found: &UploadedCertificates) -> Result<(), Error> {
        let path = |name: &str| format!("/api/v1/namespaces/{KUBE_SYSTEM}/secrets/{name}");
        // The Secret goes last: whoever looks again after a failure finds the token by it.
        if let Some(token) = self.secret("look at the token of uploaded certificates", &found.token).await? {
            let data = token.data.unwrap_or_default();
            let is_proxy = data.get("description").is_some_and(|ByteString(text)| text.as_slice() == PROXY.as_bytes());
            if is_proxy && token.metadata.uid.as_ref() == Some(&found.token_uid) {
                let doing = "delete the token of uploaded certificates";
                self.delete_by_uid(doing, &path(&found.token), &found.token_uid).await?;
            }
        }
        self.delete_by_uid("delete the uploaded certificates", &path(NAME), &found.uid).await.map(drop)
    }

    async fn secret(&self, doing: &str, name: &str) -> Result<Option<core::Secret>, Error> {
        if name.is_empty() {
            return Ok(None);
        }
        let api: kube::Api<core::Secret> = kube::Api::namespaced(self.client(), KUBE_SYSTEM);
        self.call_opt(doing, api.get(name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn the_token_is_deleted_first_for_it_is_found_by_the_secret() {
        let server = crate::fake::FakeApiServer::new(std::sync::Arc::new(crate::fake::TokioClock::at(
            slipway_types::Timestamp::from_second(1_700_000_000).unwrap(),
        )));
        let description = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, PROXY);
        let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": KUBE_SYSTEM}});
        let mut token = secret("bootstrap-token-abcdef");
        token["data"] = json!({"description": description});
        let uid = server.apply(token).unwrap()["metadata"]["uid"].clone();
        let mut uploaded = secret(NAME);
        let owner = json!({"apiVersion": "v1", "kind": "Secret", "name": "bootstrap-token-abcdef", "uid": uid});
        uploaded["metadata"]["ownerReferences"] = json!([owner]);
        server.apply(uploaded).unwrap();
        let client = server.client();
        let found = client.uploaded_certificates().await.unwrap().unwrap();
        client.delete_uploaded_certificates(&found).await.unwrap();
        let deleted: Vec<String> = server.audit().into_iter().map(|entry| entry.name).collect();
        assert_eq!(deleted, ["bootstrap-token-abcdef", NAME], "a failure in between would leave the token for ever");
    }

    #[test]
    fn they_are_known_by_the_token_that_they_end_with() {
        let owner = json!({"apiVersion": "v1", "kind": "Secret", "name": "bootstrap-token-abcdef", "uid": "u2"});
        let secret =
            json!({"metadata": {"name": NAME, "uid": "u1", "resourceVersion": "7", "ownerReferences": [owner]}});
        let read = UploadedCertificates::read(serde_json::from_value(secret).unwrap());
        assert_eq!(
            (read.token.as_str(), read.token_uid.as_str(), read.uid.as_str()),
            ("bootstrap-token-abcdef", "u2", "u1")
        );
        let bare = UploadedCertificates::read(serde_json::from_value(json!({"metadata": {"uid": "u1"}})).unwrap());
        assert_eq!(bare.token, "");
    }
}
