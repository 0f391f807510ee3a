//! Bootstrap tokens: what a host shows the API server before it has a certificate. Each is a Secret of a name and a type that kubeadm and the
//! API server know (<https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/>); its description says whose it is.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;
use serde_json::{Value, json};
use slipway_types::{Secret, Timestamp};

use crate::kubeadm_config::KUBE_SYSTEM;
use crate::nodes::DeleteOutcome;
use crate::{ClusterApi, Error};

const COLLECTION: &str = "/api/v1/namespaces/kube-system/secrets";
const KIND: &str = "bootstrap.kubernetes.io/token";
/// The group whose certificate requests kubeadm's clusters approve by themselves.
const GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

/// A bootstrap token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    /// Six letters and digits: the part that may be shown.
    pub id: String,
    /// The other sixteen.
    pub secret: Secret,
    /// Whose it is, and what for.
    pub description: String,
    /// When it ends; none: never.
    pub expires: Option<Timestamp>,
}

impl BootstrapToken {
    /// Both parts, as kubeadm takes them.
    pub fn whole(&self) -> Option<Secret> {
        Secret::new(format!("{}.{}", self.id, self.secret.expose_text()?))
    }

    fn read(secret: core::Secret) -> Option<Self> {
        let data = secret.data.unwrap_or_default();
        let of = |key: &str| data.get(key).map(|ByteString(bytes)| String::from_utf8_lossy(bytes).into_owned());
        Some(Self {
            id: of("token-id")?,
            secret: Secret::new(of("token-secret")?)?,
            description: of("description").unwrap_or_default(),
            expires: of("expiration").and_then(|text| text.parse().ok()),
        })
    }

    fn object(&self) -> Value {
        let text = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        let mut data = json!({
            "token-id": text(&self.id),
            "token-secret": json!(ByteString(self.secret.expose().to_vec())),
            "description": text(&self.description),
            "usage-bootstrap-authentication": text("true"),
            "usage-bootstrap-signing": text("true"),
            "auth-extra-groups": text(GROUP),
        });
        if let Some(expires) = self.expires {
            data["expiration"] = text(&expires.round(jiff::Unit::Second).unwrap_or(expires).to_string());
        }
        let metadata = json!({"name": name_of(&self.id), "namespace": KUBE_SYSTEM});
        json!({"apiVersion": "v1", "kind": "Secret", "type": KIND, "metadata": metadata, "data": data})
    }
}

fn name_of(id: &str) -> String {
    format!("bootstrap-token-{id}")
}

impl ClusterApi {
    /// The bootstrap token of that id.
    pub async fn bootstrap_token(&self, id: &str) -> Result<Option<BootstrapToken>, Error> {
        Ok(self.bootstrap_secret(id).await?.and_then(BootstrapToken::read))
    }

    /// All bootstrap tokens that there are. What has that type and is none is left out.
    pub async fn bootstrap_tokens(&self) -> Result<Vec<BootstrapToken>, Error> {
        let api: kube::Api<core::Secret> = kube::Api::namespaced(self.client(), KUBE_SYSTEM);
        let of_type = ListParams::default().fields(&format!("type={KIND}"));
        let all = self.list("list the bootstrap tokens", &api, &of_type).await?;
        Ok(all.into_iter().filter_map(BootstrapToken::read).collect())
    }

    /// Makes the token. One of the same id is a conflict.
    pub async fn create_bootstrap_token(&self, token: &BootstrapToken) -> Result<(), Error> {
        let doing = format!("create the bootstrap token {}", token.id);
        self.send(&doing, http::Request::post(COLLECTION), &token.object()).await
    }

    /// Deletes the token of that id if it has that description; true where there was one. Somebody else's is left alone.
    pub async fn delete_bootstrap_token(&self, id: &str, description: &str) -> Result<bool, Error> {
        let doing = format!("delete the bootstrap token {id}");
        let Some(secret) = self.bootstrap_secret(id).await? else { return Ok(false) };
        let uid = secret.metadata.uid.clone().unwrap_or_default();
        if BootstrapToken::read(secret).is_some_and(|token| token.description != description) {
            return Err(Error::Foreign { doing, what: format!("Secret {KUBE_SYSTEM}/{}", name_of(id)) });
        }
        let path = format!("{COLLECTION}/{}", name_of(id));
        Ok(self.delete_by_uid(&doing, &path, &uid).await? == DeleteOutcome::Deleted)
    }

    async fn bootstrap_secret(&self, id: &str) -> Result<Option<core::Secret>, Error> {
        let api: kube::Api<core::Secret> = kube::Api::namespaced(self.client(), KUBE_SYSTEM);
        self.call_opt(&format!("look at the bootstrap token {id}"), api.get(&name_of(id))).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let token = BootstrapToken {
            id: "abcdef".into(),
            secret: Secret::new("0123456789abcdef").unwrap(),
            description: "slipway: run r1 joins w1".into(),
            expires: Some(Timestamp::from_second(1_800_000_000).unwrap()),
        };
        let object = token.object();
        assert_eq!(object["metadata"]["name"], "bootstrap-token-abcdef");
        assert_eq!(object["data"]["expiration"], json!(ByteString(b"2027-01-15T08:00:00Z".to_vec())));
        let read = BootstrapToken::read(serde_json::from_value(object).unwrap()).unwrap();
        assert_eq!(read, token);
        assert_eq!(read.whole().unwrap().expose_text(), Some("abcdef.0123456789abcdef"));
        assert!(!format!("{read:?}").contains("0123456789abcdef"));
    }
}
