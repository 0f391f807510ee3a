//! Denied kubelets. The suite asks as a kubelet would, by impersonation, so the client under test needs that right here (`kubectl`'s
//! administrator has it; a coordinator has not).

use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use slipway_types::NodeName;

use super::{Fixture, Outcome, ensure, eventually, told};
use crate::api::send_json;
use crate::{Admission, ClusterApi, CredentialId, DENIAL_NAME, DenialOutcome};

const NODE: &str = "slipway-denied";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
const OBJECTS: [(&str, &str); 3] = [
    ("validatingadmissionpolicybindings.admissionregistration.k8s.io", ""),
    ("validatingadmissionpolicies.admissionregistration.k8s.io", ""),
    ("configmaps", "kube-system"),
];
/// API servers learn of a policy by and by.
const SOON: Duration = Duration::from_secs(30);

fn credential(digit: &str) -> Result<CredentialId, String> {
    CredentialId::parse(&digit.repeat(64)).map_err(told)
}

/// Creates an object as the kubelet of the node with that credential; the refusal is its message.
async fn ask(
    api: &ClusterApi,
    credential: &CredentialId,
    path: &str,
    object: &Value,
) -> Result<Result<(), String>, crate::Error> {
    let builder = Request::post(path)
        .header("Impersonate-User", format!("system:node:{NODE}"))
        .header("Impersonate-Group", "system:nodes")
        .header("Impersonate-Group", "system:authenticated")
        .header("Impersonate-Extra-authentication.kubernetes.io%2Fcredential-id", credential.as_str());
    let request = send_json(builder, object).map_err(|error| crate::api::unsendable("ask as a kubelet", &error))?;
    match api.write::<Value>("ask as a kubelet", request).await? {
        Ok(_) => Ok(Ok(())),
        Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
        Err(error) => Err(crate::status::sort("ask as a kubelet", error)),
    }
}

async fn registers(fixture: &dyn Fixture, credential: &CredentialId) -> Result<bool, crate::Error> {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    let answer = ask(fixture.api(), credential, "/api/v1/nodes", &node).await?;
    let _ = fixture.delete("nodes", "", NODE).await;
    match answer {
        Ok(()) => Ok(true),
        Err(message) if message.contains(DENIAL_NAME) => Ok(false),
        Err(message) => Err(crate::Error::Refused { doing: "register a node".into(), status: 0, reason: message }),
    }
}

async fn becomes(fixture: &dyn Fixture, credential: &CredentialId, may: bool) -> Outcome {
    let what = if may { "the kubelet registers" } else { "the kubelet is denied" };
    eventually(what, SOON, || async { Ok(registers(fixture, credential).await? == may) }).await
}

async fn clean(fixture: &dyn Fixture) -> Outcome {
    // Another run may have denied somebody: then the objects stay.
    if !fixture.api().denied_kubelets().await.map_err(told)?.is_empty() {
        return Ok(());
    }
    for (resource, namespace) in OBJECTS {
        fixture.delete(resource, namespace, DENIAL_NAME).await?;
    }
    Ok(())
}

pub(super) async fn denied(fixture: &dyn Fixture) -> Outcome {
    let found = deny_and_admit(fixture).await;
    let node = NodeName::new(NODE).map_err(told)?;
    fixture.api().admit_kubelet(&node, Admission::Returns).await.map_err(told)?;
    clean(fixture).await?;
    found
}

async fn deny_and_admit(fixture: &dyn Fixture) -> Outcome {
    let (api, node) = (fixture.api(), NodeName::new(NODE).map_err(told)?);
    let (old, new) = (credential("a")?, credential("b")?);
    ensure(registers(fixture, &old).await.map_err(told)?, || "it was denied before".into())?;
    let first = api.deny_kubelet(&node, Some(&old)).await.map_err(told)?;
    let again = api.deny_kubelet(&node, Some(&old)).await.map_err(told)?;
    ensure((first, again) == (DenialOutcome::Changed, DenialOutcome::AlreadySo), || format!("{first:?}, {again:?}"))?;
    ensure(api.denial_stands(&node).await.map_err(told)?, || "the objects are not as they were written".into())?;
    becomes(fixture, &old, false).await?;
    ensure(registers(fixture, &new).await.map_err(told)?, || "a new credential is denied too".into())?;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": NODE, "namespace": "kube-node-lease"}});
    let lease = ask(api, &old, LEASES, &lease).await.map_err(told)?;
    ensure(lease.as_ref().is_err_and(|message| message.contains(DENIAL_NAME)), || format!("a lease: {lease:?}"))?;
    api.deny_kubelet(&node, None).await.map_err(told)?;
    becomes(fixture, &new, false).await?;
    api.admit_kubelet(&node, Admission::Joins).await.map_err(told)?;
    becomes(fixture, &new, true).await?;
    ensure(!registers(fixture, &old).await.map_err(told)?, || "a join let the old credential in".into())?;
    api.admit_kubelet(&node, Admission::Returns).await.map_err(told)?;
    becomes(fixture, &old, true).await
}
