//! Denies a removed host the way back. Kubernetes cannot revoke a client certificate, and a host whose power comes back would register its
//! Node again; so one admission policy refuses what a kubelet needs for that, from credentials that are on a list of ours.

mod list;
mod policy;

use std::collections::BTreeMap;

use http::Request;
use serde_json::{Value, json};
use slipway_types::NodeName;

use self::list::{Changed, with, without};
use self::policy::{is_ours, says_the_same};
use crate::api::unsendable;
use crate::kubeadm_config::KUBE_SYSTEM;
use crate::{ClusterApi, Error};

pub use self::list::{Admission, CredentialId, Denial, InvalidCredentialId};
pub use self::policy::DENIAL_NAME;
pub(crate) use self::policy::policy;

const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
const BINDINGS: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
const LISTS: &str = "/api/v1/namespaces/kube-system/configmaps";
/// Conflicts in a row that are still taken for chance: several runs may deny at the same time.
const ATTEMPTS: u32 = 5;

/// What became of a denial or its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenialOutcome {
    /// The list says something else now.
    Changed,
    /// It said so already.
    AlreadySo,
}

impl ClusterApi {
    /// Denies the kubelet of a node: by the credential, where it is known, else everything that comes under the node's name. API servers
    /// learn of it within a second or so, not at once.
    pub async fn deny_kubelet(
        &self,
        node: &NodeName,
        credential: Option<&CredentialId>,
    ) -> Result<DenialOutcome, Error> {
        let doing = format!("deny the kubelet credentials of {node}");
        let outcome = self.change_list(&doing, node, |denial| with(denial, credential)).await?;
        self.ensure(&doing, POLICIES, &policy::policy()).await?;
        self.ensure(&doing, BINDINGS, &policy::binding(KUBE_SYSTEM)).await?;
        Ok(outcome)
    }

    /// Lets a node of that name in again.
    pub async fn admit_kubelet(&self, node: &NodeName, admission: Admission) -> Result<DenialOutcome, Error> {
        let doing = format!("admit a kubelet as {node} again");
        if self.read_list(&doing).await?.is_none() {
            return Ok(DenialOutcome::AlreadySo);
        }
        self.change_list(&doing, node, |denial| without(denial, admission)).await
    }

    /// Everything that is denied, by node.
    pub async fn denied_kubelets(&self) -> Result<BTreeMap<NodeName, Denial>, Error> {
        let found = self.read_list("look at the denied kubelets").await?;
        Ok(found.map(|object| list::read(&object)).unwrap_or_default())
    }

    /// True where the list, the policy and its binding all stand as we would write them.
    pub async fn denial_stands(&self, node: &NodeName) -> Result<bool, Error> {
        let doing = format!("look whether {node} is denied");
        let listed = self.denied_kubelets().await?.contains_key(node);
        let policy = self.find(&doing, POLICIES).await?.is_some_and(|found| says_the_same(&found, &policy::policy()));
        let binding = self
            .find(&doing, BINDINGS)
            .await?
            .is_some_and(|found| says_the_same(&found, &policy::binding(KUBE_SYSTEM)));
        Ok(listed && policy && binding)
    }

    async fn change_list(
        &self,
        doing: &str,
        node: &NodeName,
        decide: impl Fn(Option<&Denial>) -> Changed,
    ) -> Result<DenialOutcome, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let found = self.read_list(doing).await?;
            let denials = found.as_ref().map(list::read).unwrap_or_default();
            let change = match decide(denials.get(node)) {
                Changed::No => return Ok(DenialOutcome::AlreadySo),
                Changed::To(denial) => json!({node.as_str(): denial.map(|denial| denial.text())}),
            };
            list::has_room(&denials, node).map_err(|reason| refused(doing, reason))?;
            let written = match &found {
                None => self.create(doing, LISTS, &policy::list(KUBE_SYSTEM, &change)).await,
                Some(found) => {
                    let version = &found["metadata"]["resourceVersion"];
                    let patch = json!({"metadata": {"resourceVersion": version}, "data": change});
                    self.merge_patch::<Value>(doing, &format!("{LISTS}/{DENIAL_NAME}"), &patch).await.map(|_| ())
                }
            };
            match written {
                Ok(()) => return Ok(DenialOutcome::Changed),
                Err(Error::Conflict { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_list(&self, doing: &str) -> Result<Option<Value>, Error> {
        let found = self.find(doing, LISTS).await?;
        match found {
            Some(object) if !is_ours(&object) => Err(foreign(doing, "ConfigMap kube-system/slipway-denied-kubelets")),
            found => Ok(found),
        }
    }

    /// Makes the object, or brings ours of an older version up to date. Somebody else's is left alone.
    async fn ensure(&self, doing: &str, collection: &str, wanted: &Value) -> Result<(), Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let written = match self.find(doing, collection).await? {
                Some(found) if !is_ours(&found) => {
                    let kind = wanted["kind"].as_str().unwrap_or_default();
                    return Err(foreign(doing, &format!("{kind} {DENIAL_NAME}")));
                }
                Some(found) if says_the_same(&found, wanted) => return Ok(()),
                Some(found) => {
                    let mut next = wanted.clone();
                    next["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
                    self.send(doing, Request::put(format!("{collection}/{DENIAL_NAME}")), &next).await
                }
                None => self.create(doing, collection, wanted).await,
            };
            match written {
                Ok(()) => return Ok(()),
                Err(Error::Conflict { .. }) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn find(&self, doing: &str, collection: &str) -> Result<Option<Value>, Error> {
        let request = Request::get(format!("{collection}/{DENIAL_NAME}")).body(Vec::new());
        let request = request.map_err(|error| unsendable(doing, &error))?;
        self.call_opt(doing, self.client().request::<Value>(request)).await
    }

    async fn create(&self, doing: &str, collection: &str, object: &Value) -> Result<(), Error> {
        self.send(doing, Request::post(collection), object).await
    }
}

fn foreign(doing: &str, what: &str) -> Error {
    Error::Foreign { doing: doing.to_owned(), what: what.to_owned() }
}

fn refused(doing: &str, reason: String) -> Error {
    Error::Refused { doing: doing.to_owned(), status: 0, reason }
}
