//! The resources that the fake server knows. Anything else is answered with 404, as a real one does for a resource that is not installed.

/// One resource.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// `plural` or `plural.group`, as kubectl writes it: the key of everything.
    pub(super) resource: &'static str,
    pub(super) api_version: &'static str,
    /// As objects carry it.
    pub(super) name: &'static str,
    pub(super) namespaced: bool,
}

const fn kind(resource: &'static str, api_version: &'static str, name: &'static str, namespaced: bool) -> Kind {
    Kind { resource, api_version, name, namespaced }
}

pub(super) const KINDS: &[Kind] = &[
    kind(
        "certificatesigningrequests.certificates.k8s.io",
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        false,
    ),
    kind("configmaps", "v1", "ConfigMap", true),
    kind("cronjobs.batch", "batch/v1", "CronJob", true),
    kind("csinodes.storage.k8s.io", "storage.k8s.io/v1", "CSINode", false),
    kind("daemonsets.apps", "apps/v1", "DaemonSet", true),
    kind("deployments.apps", "apps/v1", "Deployment", true),
    kind("events", "v1", "Event", true),
    kind("events.events.k8s.io", "events.k8s.io/v1", "Event", true),
    kind("jobs.batch", "batch/v1", "Job", true),
    kind("leases.coordination.k8s.io", "coordination.k8s.io/v1", "Lease", true),
    kind("namespaces", "v1", "Namespace", false),
    kind("nodes", "v1", "Node", false),
    kind("persistentvolumeclaims", "v1", "PersistentVolumeClaim", true),
    kind("persistentvolumes", "v1", "PersistentVolume", false),
    kind("poddisruptionbudgets.policy", "policy/v1", "PodDisruptionBudget", true),
    kind("pods", "v1", "Pod", true),
    kind("replicasets.apps", "apps/v1", "ReplicaSet", true),
    kind("secrets", "v1", "Secret", true),
    kind("services", "v1", "Service", true),
    kind("statefulsets.apps", "apps/v1", "StatefulSet", true),
    kind(
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        false,
    ),
    kind(
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        false,
    ),
    kind("volumeattachments.storage.k8s.io", "storage.k8s.io/v1", "VolumeAttachment", false),
];

/// By group and version (`v1`, `apps/v1`) and plural name.
pub(super) fn by_path(api_version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.api_version == api_version && kind.resource.split('.').next() == Some(plural))
}

/// By the two fields that every object carries.
pub(super) fn by_object(api_version: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.api_version == api_version && kind.name == name)
}

/// By its key.
pub(super) fn by_resource(resource: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.resource == resource)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_found_each_way() {
        for kind in KINDS {
            let plural = kind.resource.split('.').next().unwrap();
            assert_eq!(by_path(kind.api_version, plural), Some(kind));
            assert_eq!(by_object(kind.api_version, kind.name), Some(kind));
            assert_eq!(by_resource(kind.resource), Some(kind));
        }
        assert_eq!(by_path("v1", "ciliumnodes"), None);
    }
}
