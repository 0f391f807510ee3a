//! What a pod asks of a node, worked out as the scheduler does: containers run together, init containers one after the other before them,
//! sidecars from their start until the end, and the sandbox costs something too.

use k8s_openapi::api::core::v1 as core;

use super::quantity::{Amounts, add, raise, read};

/// Which of a container's two figures is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// What is set aside for it.
    Requests,
    /// The most that it may take.
    Limits,
}

/// What the whole pod asks for, or may take.
pub(super) fn of_pod(spec: &core::PodSpec, figure: Figure) -> Amounts {
    let mut together = Amounts::new();
    for container in &spec.containers {
        add(&mut together, &of_container(container.resources.as_ref(), figure));
    }
    let (sidecars, start) = of_init(spec.init_containers.as_deref().unwrap_or_default(), figure);
    add(&mut together, &sidecars);
    raise(&mut together, &start);
    // Resources of the pod as a whole stand in place of the sum, where they are given.
    for (name, amount) in of_container(spec.resources.as_ref(), figure) {
        together.insert(name, amount);
    }
    add(&mut together, &read(spec.overhead.as_ref()));
    together
}

/// What the sidecars keep for good, and the most that is needed while the init containers run.
fn of_init(containers: &[core::Container], figure: Figure) -> (Amounts, Amounts) {
    let (mut sidecars, mut most) = (Amounts::new(), Amounts::new());
    for container in containers {
        let own = of_container(container.resources.as_ref(), figure);
        if is_sidecar(container) {
            add(&mut sidecars, &own);
            raise(&mut most, &sidecars);
        } else {
            let mut moment = sidecars.clone();
            add(&mut moment, &own);
            raise(&mut most, &moment);
        }
    }
    (sidecars, most)
}

/// An init container that goes on running beside the others.
pub(super) fn is_sidecar(container: &core::Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// A limit without a request is a request of the same amount.
fn of_container(resources: Option<&core::ResourceRequirements>, figure: Figure) -> Amounts {
    let Some(resources) = resources else { return Amounts::new() };
    let mut amounts = read(resources.limits.as_ref());
    if figure == Figure::Requests {
        amounts.extend(read(resources.requests.as_ref()));
    }
    amounts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn requests(spec: Value) -> Amounts {
        of_pod(&serde_json::from_value(spec).unwrap(), Figure::Requests)
    }

    fn container(cpu: &str) -> Value {
        json!({"name": "c", "resources": {"requests": {"cpu": cpu}}})
    }

    fn sidecar(cpu: &str) -> Value {
        json!({"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": cpu}}})
    }

    #[test]
    fn containers_add_up_and_the_sandbox_counts() {
        let sum = requests(
            json!({"containers": [container("100m"), container("1")], "overhead": {"cpu": "50m", "memory": "1Mi"}}),
        );
        assert_eq!((sum["cpu"], sum["memory"]), (1_150, 1_048_576_000));
    }

    #[test]
    fn the_largest_init_container_counts_where_it_is_larger_than_the_rest() {
        assert_eq!(
            requests(json!({"containers": [container("1")], "initContainers": [container("3"), container("2")]}))["cpu"],
            3_000
        );
        assert_eq!(requests(json!({"containers": [container("4")], "initContainers": [container("3")]}))["cpu"], 4_000);
    }

    #[test]
    fn a_sidecar_counts_beside_the_containers_and_beside_later_init_containers() {
        let spec = |init: Value| json!({"containers": [container("1")], "initContainers": init});
        assert_eq!(requests(spec(json!([sidecar("1"), container("2")])))["cpu"], 3_000);
        assert_eq!(requests(spec(json!([container("2"), sidecar("500m")])))["cpu"], 2_000);
        assert_eq!(requests(spec(json!([sidecar("500m")])))["cpu"], 1_500);
    }

    #[test]
    fn a_limit_stands_for_a_missing_request_and_the_pods_own_figure_for_the_sum() {
        let limited = json!({"containers": [{"name": "c", "resources": {"limits": {"cpu": "2", "memory": "1"}, "requests": {"cpu": "1"}}}]});
        assert_eq!((requests(limited.clone())["cpu"], requests(limited.clone())["memory"]), (1_000, 1_000));
        assert_eq!(of_pod(&serde_json::from_value(limited).unwrap(), Figure::Limits)["cpu"], 2_000);
        assert_eq!(
            requests(json!({"containers": [container("1")], "resources": {"requests": {"cpu": "5"}}}))["cpu"],
            5_000
        );
    }
}
