//! Nodes: kubelets that register and keep their lease, and what becomes of a node whose kubelet is silent.

use serde_json::{Value, json};
use slipway_types::{NodeRole, Timestamp};

use super::super::admission::{Asked, Asker};
use super::super::kinds;
use super::super::world::{Machine, World, key, stamp, text};
use super::{Pace, later};

const LEASES: &str = "leases.coordination.k8s.io";
const CSI_NODES: &str = "csinodes.storage.k8s.io";
const LEASE_NAMESPACE: &str = "kube-node-lease";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

pub(super) fn run(world: &mut World, now: Timestamp) {
    let machines: Vec<(String, Machine)> =
        world.machines.iter().map(|(name, machine)| (name.clone(), machine.clone())).collect();
    for (name, machine) in machines {
        if machine.running {
            register(world, &name, &machine, now);
            renew(world, &name, &machine, now);
            if may(world, &name, &machine, "UPDATE", "nodes", "status") {
                set_ready(world, &name, "True", now);
            }
        } else if machine.stopped_at.is_some_and(|at| later(at, world.pace.node_grace) <= now) {
            set_ready(world, &name, "Unknown", now);
        }
    }
    for key in world.keys("nodes") {
        if let Some(taints) = world.get(&key).and_then(taints_by_state) {
            world.edit("nodes", "", &key.2, now, |node| node["spec"]["taints"] = taints);
        }
    }
}

/// When a machine does something next.
pub(super) fn due(machine: &Machine, pace: &Pace) -> Option<Timestamp> {
    match (machine.running, machine.renewed_at, machine.stopped_at) {
        (true, Some(at), _) => Some(later(at, pace.heartbeat)),
        (false, _, Some(at)) => Some(later(at, pace.node_grace)),
        _ => None,
    }
}

/// Kubelets ask like anybody else.
fn may(world: &World, name: &str, machine: &Machine, operation: &str, resource: &str, subresource: &str) -> bool {
    let asked = Asked { operation, resource, subresource, name };
    world.admit(&Asker::kubelet(name, &machine.credential), asked).is_ok()
}

fn register(world: &mut World, name: &str, machine: &Machine, now: Timestamp) {
    if world.find("nodes", "", name).is_none() && may(world, name, machine, "CREATE", "nodes", "") {
        make(world, "nodes", "", node(name, machine), now);
    }
    take_over(world, name, machine, now);
    let Some(uid) = world.find("nodes", "", name).map(|node| text(node, "/metadata/uid").to_owned()) else { return };
    let owner = json!([{"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid}]);
    if world.find(CSI_NODES, "", name).is_none() {
        make(
            world,
            CSI_NODES,
            "",
            json!({"metadata": {"name": name, "ownerReferences": owner}, "spec": {"drivers": []}}),
            now,
        );
    }
    if world.find(LEASES, LEASE_NAMESPACE, name).is_none() && may(world, name, machine, "CREATE", LEASES, "") {
        let lease = json!({"metadata": {"name": name, "ownerReferences": owner}, "spec": {"holderIdentity": name, "leaseDurationSeconds": 40}});
        make(world, LEASES, LEASE_NAMESPACE, lease, now);
    }
}

/// A kubelet that finds a Node of its name behind which nobody has been fills in what it knows, and leaves the rest as it is.
fn take_over(world: &mut World, name: &str, machine: &Machine, now: Timestamp) {
    let bare = world.find("nodes", "", name).is_some_and(|node| node.pointer("/status/nodeInfo").is_none());
    if !bare || !may(world, name, machine, "UPDATE", "nodes", "status") {
        return;
    }
    let ours = node(name, machine);
    world.edit("nodes", "", name, now, |node| {
        for (key, value) in ours["metadata"]["labels"].as_object().into_iter().flatten() {
            node["metadata"]["labels"][key] = value.clone();
        }
        // Those of a master are kubeadm's doing.
        let has = node.pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
        let more = ours["spec"]["taints"].as_array().cloned().unwrap_or_default();
        node["spec"]["taints"] = has.into_iter().chain(more).collect();
        node["status"] = ours["status"].clone();
    });
}

fn make(world: &mut World, resource: &str, namespace: &str, object: Value, now: Timestamp) {
    if let Some(kind) = kinds::by_resource(resource) {
        // It cannot be there, as its absence is what brought us here; a namespace that goes away refuses it, as it should.
        let _ = world.create(kind, namespace, object, now);
    }
}

fn renew(world: &mut World, name: &str, machine: &Machine, now: Timestamp) {
    if machine.renewed_at.is_some_and(|at| later(at, world.pace.heartbeat) > now) {
        return;
    }
    world.edit(LEASES, LEASE_NAMESPACE, name, now, |lease| lease["spec"]["renewTime"] = json!(stamp(now)));
    if let Some(machine) = world.machines.get_mut(name) {
        machine.renewed_at = Some(now);
    }
}

fn set_ready(world: &mut World, name: &str, status: &str, now: Timestamp) {
    let before =
        world.get(&key("nodes", "", name)).and_then(|node| node.pointer("/status/conditions/0/status").cloned());
    if before.is_some_and(|before| before != status) {
        let reason = if status == "True" { "KubeletReady" } else { "NodeStatusUnknown" };
        world.edit("nodes", "", name, now, |node| {
            node["status"]["conditions"][0] =
                json!({"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": stamp(now)});
        });
    }
}

/// The taints that its state calls for, where it has others.
fn taints_by_state(node: &Value) -> Option<Value> {
    let unschedulable = node.pointer("/spec/unschedulable").and_then(Value::as_bool).unwrap_or_default();
    let silent = text(node, "/status/conditions/0/status") == "Unknown";
    let has = node.pointer("/spec/taints").and_then(Value::as_array);
    let of_state = |taint: &&Value| taint["key"] == UNSCHEDULABLE || taint["key"] == UNREACHABLE;
    let mut wanted: Vec<Value> = has.into_iter().flatten().filter(|taint| !of_state(taint)).cloned().collect();
    if unschedulable {
        wanted.push(json!({"key": UNSCHEDULABLE, "effect": "NoSchedule"}));
    }
    if silent {
        wanted.push(json!({"key": UNREACHABLE, "effect": "NoSchedule"}));
    }
    let differs = has.map_or(!wanted.is_empty(), |has| *has != wanted);
    (differs && node["spec"].is_object()).then(|| json!(wanted))
}

fn node(name: &str, machine: &Machine) -> Value {
    let mut labels =
        json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"});
    let mut taints = json!([]);
    if machine.role == NodeRole::ControlPlane {
        labels["node-role.kubernetes.io/control-plane"] = json!("");
        taints = json!([{"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    }
    json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "images": [{"names": ["registry.k8s.io/pause:3.10"], "sizeBytes": 320_368}],
            "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "addresses": [{"type": "InternalIP", "address": machine.address}, {"type": "Hostname", "address": name}],
            "nodeInfo": {
                "kubeletVersion": machine.version, "kubeProxyVersion": machine.version, "machineID": format!("machine-{name}"),
                "systemUUID": format!("system-{name}"), "bootID": format!("boot-{name}"), "kernelVersion": "6.12", "osImage": "fake",
                "containerRuntimeVersion": "containerd://2.0.0", "operatingSystem": "linux", "architecture": "amd64",
            },
        },
    })
}
