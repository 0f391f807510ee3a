//! Manifests for tests, the demo and the lab: what an operator would write in YAML, as JSON.

use serde_json::{Value, json};

use super::world::drop_field;

/// A small image that every kubeadm cluster has, for pods that only have to be there.
pub const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10";

/// A template whose pods end at once.
fn template(app: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": app}, "annotations": {}},
        "spec": {"terminationGracePeriodSeconds": 30, "containers": [{"name": "main", "image": PAUSE_IMAGE}]},
    })
}

/// A Deployment labelled `app=<name>`.
pub fn deployment(namespace: &str, name: &str, replicas: u32) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name)},
    })
}

/// A StatefulSet labelled `app=<name>`.
pub fn stateful_set(namespace: &str, name: &str, replicas: u32) -> Value {
    let mut set = deployment(namespace, name, replicas);
    set["kind"] = json!("StatefulSet");
    set["spec"]["serviceName"] = json!(name);
    set
}

/// A DaemonSet on every node.
pub fn daemon_set(namespace: &str, name: &str) -> Value {
    let mut set = deployment(namespace, name, 0);
    set["kind"] = json!("DaemonSet");
    drop_field(&mut set["spec"], "replicas");
    set["spec"]["template"]["spec"]["tolerations"] = json!([{"operator": "Exists"}]);
    set
}

/// A disruption budget over `app=<app>`, with at most `most` pods away.
pub fn budget(namespace: &str, name: &str, app: &str, most: u32) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"namespace": namespace, "name": name},
        "spec": {"maxUnavailable": most, "selector": {"matchLabels": {"app": app}}},
    })
}

/// A pod of nobody, on that node.
pub fn bare_pod(namespace: &str, name: &str, node: &str) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": template(name)["spec"],
    });
    pod["spec"]["nodeName"] = json!(node);
    pod
}

/// The shadow of a static pod.
pub fn mirror_pod(name: &str, node: &str) -> Value {
    let mut pod = bare_pod("kube-system", name, node);
    pod["metadata"]["annotations"] =
        json!({"kubernetes.io/config.mirror": "0123", "kubernetes.io/config.source": "file"});
    pod
}

/// Gives the pods of a workload, or a pod, an emptyDir.
pub fn with_empty_dir(mut object: Value) -> Value {
    let spec = if object["kind"] == "Pod" { &mut object["spec"] } else { &mut object["spec"]["template"]["spec"] };
    spec["volumes"] = json!([{"name": "scratch", "emptyDir": {}}]);
    object
}

/// Sets how many seconds the containers take to end, for the fake kubelet alone.
pub fn with_exit(mut object: Value, seconds: f64) -> Value {
    annotate(&mut object, "fake.slipway.dev/exit-seconds", seconds);
    object
}

/// Sets how many seconds a pod takes to become ready, for the fake kubelet alone.
pub fn with_start(mut object: Value, seconds: f64) -> Value {
    annotate(&mut object, "fake.slipway.dev/start-seconds", seconds);
    object
}

fn annotate(object: &mut Value, key: &str, seconds: f64) {
    let meta =
        if object["kind"] == "Pod" { &mut object["metadata"] } else { &mut object["spec"]["template"]["metadata"] };
    if !meta["annotations"].is_object() {
        meta["annotations"] = json!({});
    }
    meta["annotations"][key] = json!(seconds.to_string());
}

/// Binds a workload's pods to one node.
pub fn on_node(mut object: Value, node: &str) -> Value {
    let spec = if object["kind"] == "Pod" { &mut object["spec"] } else { &mut object["spec"]["template"]["spec"] };
    spec["nodeSelector"] = json!({"kubernetes.io/hostname": node});
    object
}

/// A volume, its claim, and a pod that uses it on that node.
pub fn pod_with_volume(namespace: &str, name: &str, node: &str) -> [Value; 3] {
    let mut pod = bare_pod(namespace, name, node);
    pod["spec"]["volumes"] = json!([{"name": "data", "persistentVolumeClaim": {"claimName": name}}]);
    [
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("pv-{name}")},
            "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                "csi": {"driver": "fake.csi", "volumeHandle": format!("handle-{name}")}},
        }),
        json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"namespace": namespace, "name": name},
            "spec": {"volumeName": format!("pv-{name}"), "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }),
        pod,
    ]
}
