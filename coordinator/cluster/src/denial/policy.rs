//! The three objects of a denial. What is matched is what brings a node back: its Node, its status, its lease, a new certificate. Reads and
//! pods are not matched, so a kubelet that is alive can still end the containers that it has.

use serde_json::{Value, json};

/// The name of the policy, of its binding, and of the list.
pub const DENIAL_NAME: &str = "slipway-denied-kubelets";

const OWNER_LABEL: &str = "app.kubernetes.io/managed-by";
const OWNER: &str = "slipway";
const MESSAGE: &str = "these kubelet credentials were denied by Slipway when their node was taken out of service";

fn metadata() -> Value {
    json!({"name": DENIAL_NAME, "labels": {OWNER_LABEL: OWNER}})
}

/// The policy. Its names are those of the documentation:
/// <https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/>.
pub(crate) fn policy() -> Value {
    let rule = |group: &str, operation: &str, resources: &[&str]| json!({"apiGroups": [group], "apiVersions": ["v1"], "operations": [operation], "resources": resources});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": metadata(),
        "spec": {
            "failurePolicy": "Fail",
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "matchConstraints": {"resourceRules": [
                rule("", "CREATE", &["nodes"]),
                rule("", "UPDATE", &["nodes", "nodes/status"]),
                rule("coordination.k8s.io", "CREATE", &["leases"]),
                rule("certificates.k8s.io", "CREATE", &["certificatesigningrequests"]),
            ]},
            "matchConditions": [
                {"name": "asked-by-a-kubelet", "expression": "request.userInfo.username.startsWith('system:node:')"},
            ],
            "variables": [
                {"name": "node", "expression": "request.userInfo.username.substring(12)"},
                {"name": "denied", "expression":
                    "has(params.data) && variables.node in params.data ? params.data[variables.node].split(' ') : []"},
                {"name": "credentials", "expression":
                    "has(request.userInfo.extra) && 'authentication.kubernetes.io/credential-id' in request.userInfo.extra \
                     ? request.userInfo.extra['authentication.kubernetes.io/credential-id'] : []"},
            ],
            "validations": [{
                "expression": "!('*' in variables.denied) && !variables.credentials.exists(one, one in variables.denied)",
                "message": MESSAGE,
                "reason": "Forbidden",
            }],
        },
    })
}

/// Binds the policy to its list. Without the list nothing is denied: a lost ConfigMap must not stop every kubelet of the cluster.
pub(super) fn binding(namespace: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata(),
        "spec": {
            "policyName": DENIAL_NAME,
            "paramRef": {"name": DENIAL_NAME, "namespace": namespace, "parameterNotFoundAction": "Allow"},
            "validationActions": ["Deny"],
        },
    })
}

/// The list, with its first entry.
pub(super) fn list(namespace: &str, data: &Value) -> Value {
    let mut metadata = metadata();
    metadata["namespace"] = json!(namespace);
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

/// True for an object that carries our mark.
pub(super) fn is_ours(object: &Value) -> bool {
    object["metadata"]["labels"][OWNER_LABEL] == OWNER
}

/// True where an object says all that ours would say. The API server adds defaults, which do not count.
pub(super) fn says_the_same(found: &Value, wanted: &Value) -> bool {
    is_ours(found) && contains(&found["spec"], &wanted["spec"])
}

fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|there| contains(there, value)))
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::admissionregistration::v1 as admission;

    #[test]
    fn defaults_of_the_server_are_no_difference_and_a_changed_rule_is_one() {
        let wanted = policy();
        let mut found = wanted.clone();
        found["spec"]["matchConstraints"]["matchPolicy"] = json!("Equivalent");
        found["spec"]["matchConstraints"]["resourceRules"][0]["scope"] = json!("*");
        assert!(says_the_same(&found, &wanted));
        let mut weaker = found.clone();
        weaker["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = json!(["pods"]);
        assert!(!says_the_same(&weaker, &wanted));
        let mut fewer = found.clone();
        fewer["spec"]["matchConstraints"]["resourceRules"].as_array_mut().unwrap().pop();
        assert!(!says_the_same(&fewer, &wanted));
        found["metadata"]["labels"] = json!({});
        assert!(!says_the_same(&found, &wanted) && !is_ours(&found));
    }

    #[test]
    fn the_objects_are_such_as_the_api_knows() {
        let policy: admission::ValidatingAdmissionPolicy = serde_json::from_value(policy()).unwrap();
        let spec = policy.spec.unwrap();
        assert_eq!(spec.match_constraints.unwrap().resource_rules.unwrap().len(), 4);
        assert_eq!(spec.validations.unwrap()[0].reason.as_deref(), Some("Forbidden"));
        let binding: admission::ValidatingAdmissionPolicyBinding =
            serde_json::from_value(binding("kube-system")).unwrap();
        let spec = binding.spec.unwrap();
        assert_eq!(spec.param_ref.unwrap().parameter_not_found_action.as_deref(), Some("Allow"));
        assert_eq!(spec.policy_name.as_deref(), Some(DENIAL_NAME));
    }
}
