//! The objects, their versions and their history. Everything that changes goes through [`World::put`] and [`World::take`], so that no change
//! escapes the watchers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use slipway_types::{NodeRole, Timestamp};

use super::audit::Audit;
use super::controllers::{Pace, Rest};
use super::failure::Failure;
use super::faults::Faults;
use super::kinds::{self, Kind};

/// Watches older than this many changes are told to list anew.
const HISTORY: usize = 20_000;
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Resource, namespace, name.
pub(super) type Key = (String, String, String);

/// One change of one object.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// A machine with a kubelet.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Machine {
    pub(super) role: NodeRole,
    pub(super) address: String,
    pub(super) version: String,
    pub(super) running: bool,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) renewed_at: Option<Timestamp>,
    /// Its kubelet's client certificate, as admission sees it.
    pub(super) credential: String,
}

/// What a kubelet keeps of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct PodTimes {
    pub(super) ready_at: Option<Timestamp>,
    /// When its containers will have ended.
    pub(super) ends_at: Option<Timestamp>,
    pub(super) ended: bool,
}

#[derive(Debug, Default)]
pub(super) struct World {
    version: u64,
    made: u64,
    floor: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    pub(super) machines: BTreeMap<String, Machine>,
    pub(super) pods: BTreeMap<String, PodTimes>,
    /// VolumeAttachments that nobody needs any more, and when they will be gone.
    pub(super) detaching: BTreeMap<String, Timestamp>,
    /// Nodes that are no more while pods are bound to them, and when those pods will be collected.
    pub(super) collecting: BTreeMap<String, Timestamp>,
    pub(super) pace: Pace,
    /// What is no object makes no version, so whoever changes that ends the rest.
    pub(super) rest: Option<Rest>,
    pub(super) audit: Audit,
    /// What it says of its version; none: what it always does.
    pub(super) says_version: Option<String>,
    pub(super) faults: Faults,
}

impl World {
    pub(super) fn new(now: Timestamp) -> Self {
        let mut world = Self::default();
        for name in SYSTEM_NAMESPACES {
            world.add_namespace(name, now);
        }
        world
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(Arc::as_ref)
    }

    /// The same to keep while the world changes.
    pub(super) fn shared(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    pub(super) fn find(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.get(&key(resource, namespace, name))
    }

    /// All objects of a resource, by namespace and name.
    pub(super) fn all(&self, resource: &str) -> Vec<&Value> {
        self.range(resource).map(|(_, object)| object.as_ref()).collect()
    }

    pub(super) fn keys(&self, resource: &str) -> Vec<Key> {
        self.range(resource).map(|(key, _)| key.clone()).collect()
    }

    pub(super) fn every_key(&self) -> Vec<Key> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn every(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.objects.iter().map(|(key, object)| (key, object.as_ref()))
    }

    fn range(&self, resource: &str) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let resource = resource.to_owned();
        self.objects.range(key(&resource, "", "")..).take_while(move |(key, _)| key.0 == resource)
    }

    /// A number that was never given before.
    pub(super) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Makes an object. Its namespace has to exist and to stay.
    pub(super) fn create(
        &mut self,
        kind: &Kind,
        namespace: &str,
        mut object: Value,
        now: Timestamp,
    ) -> Result<Value, Failure> {
        if kind.namespaced {
            self.accepts(namespace, kind)?;
        }
        if !object["metadata"].is_object() {
            return Err(Failure::bad_request("the object has no metadata"));
        }
        let number = self.next_number();
        let name = match (text(&object, "/metadata/name"), text(&object, "/metadata/generateName")) {
            ("", "") => return Err(Failure::invalid("the object has no name")),
            ("", prefix) => format!("{prefix}{number:05x}"),
            (name, _) => name.to_owned(),
        };
        let key = key(kind.resource, if kind.namespaced { namespace } else { "" }, &name);
        if self.objects.contains_key(&key) {
            return Err(Failure::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.resource)));
        }
        object["apiVersion"] = json!(kind.api_version);
        object["kind"] = json!(kind.name);
        object["metadata"]["name"] = json!(name);
        object["metadata"]["uid"] = json!(format!("00000000-0000-4000-8000-{number:012x}"));
        object["metadata"]["creationTimestamp"] = json!(stamp(now));
        object["metadata"]["generation"] = json!(1);
        if kind.namespaced {
            object["metadata"]["namespace"] = json!(namespace);
        }
        if kind.resource == "pods" && object.pointer("/status/phase").is_none() {
            object["status"] = json!({"phase": "Pending"});
        }
        self.put(&key, object);
        self.get(&key).cloned().ok_or_else(|| Failure::not_found(kind.resource, &name))
    }

    fn accepts(&self, namespace: &str, kind: &Kind) -> Result<(), Failure> {
        let Some(found) = self.find("namespaces", "", namespace) else {
            return Err(Failure::not_found("namespaces", namespace));
        };
        if found.pointer("/metadata/deletionTimestamp").is_some() {
            return Err(terminating(kind.resource, namespace));
        }
        Ok(())
    }

    /// Writes an object as it is, under a new version. What did not change is not written.
    pub(super) fn put(&mut self, key: &Key, mut object: Value) {
        omit_empty(&mut object);
        let before = self.objects.get(key).cloned();
        if let Some(before) = &before {
            object["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
            if **before == object {
                return;
            }
            if before["spec"] != object["spec"] {
                let generation = before.pointer("/metadata/generation").and_then(Value::as_u64).unwrap_or_default();
                object["metadata"]["generation"] = json!(generation + 1);
            }
        }
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let after = Arc::new(object);
        self.objects.insert(key.clone(), Arc::clone(&after));
        self.remember(Change { version: self.version, key: key.clone(), before, after: Some(after) });
    }

    /// Removes an object at once.
    pub(super) fn take(&mut self, key: &Key) -> Option<Value> {
        let before = self.objects.remove(key)?;
        self.pods.remove(text(&before, "/metadata/uid"));
        self.version += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let before = Arc::new(last.clone());
        self.remember(Change { version: self.version, key: key.clone(), before: Some(before), after: None });
        Some(last)
    }

    /// Gives a part of an object, such as its status, this content. Controllers say it over and over, so what has it is not even copied.
    pub(super) fn set(&mut self, key: &Key, part: &str, content: Value, now: Timestamp) {
        if self.get(key).is_some_and(|object| object[part] != content) {
            self.edit(&key.0, &key.1, &key.2, now, |object| object[part] = content);
        }
    }

    /// Changes an object in place; one that is being deleted and lost its last finalizer goes. Controllers do this to objects that are as they
    /// should be, over and over: those are copied once and no more.
    pub(super) fn edit(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        now: Timestamp,
        edit: impl FnOnce(&mut Value),
    ) -> Option<Arc<Value>> {
        let key = key(resource, namespace, name);
        let before = self.shared(&key)?;
        let mut object = Value::clone(&before);
        edit(&mut object);
        if object != *before {
            self.put(&key, object);
        }
        let after = self.shared(&key);
        self.finish_if_free(&key, now);
        after
    }

    /// Puts an object in by its own fields, making its namespace where it is missing.
    pub(super) fn apply(&mut self, object: Value, now: Timestamp) -> Result<Value, Failure> {
        let (api_version, kind) = (text(&object, "/apiVersion"), text(&object, "/kind"));
        let kind = kinds::by_object(api_version, kind)
            .ok_or_else(|| Failure::bad_request(format!("no resource {api_version} {kind}")))?;
        let namespace = match (kind.namespaced, text(&object, "/metadata/namespace")) {
            (false, _) => String::new(),
            (true, "") => "default".to_owned(),
            (true, namespace) => namespace.to_owned(),
        };
        if kind.namespaced && self.find("namespaces", "", &namespace).is_none() {
            self.add_namespace(&namespace, now);
        }
        let key = key(kind.resource, &namespace, text(&object, "/metadata/name"));
        let Some(old) = self.get(&key) else { return self.create(kind, &namespace, object, now) };
        let mut new = old.clone();
        super::patch::merge(&mut new, &object);
        self.put(&key, new.clone());
        Ok(self.get(&key).cloned().unwrap_or(new))
    }

    fn add_namespace(&mut self, name: &str, now: Timestamp) {
        if let Some(kind) = kinds::by_resource("namespaces") {
            let object = json!({"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}, "status": {"phase": "Active"}});
            // It cannot be there: the caller looked.
            let _ = self.create(kind, "", object, now);
        }
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        while self.history.len() > HISTORY {
            self.floor = self.history.pop_front().map_or(self.floor, |change| change.version);
        }
    }

    /// The changes after a version, or a refusal where they are no longer known.
    pub(super) fn changes_after(&self, version: u64) -> Result<impl Iterator<Item = &Change>, Failure> {
        if version < self.floor {
            return Err(Failure::expired(version));
        }
        let start = self.history.partition_point(|change| change.version <= version);
        Ok(self.history.range(start..))
    }

    pub(super) fn compact(&mut self) {
        self.history.clear();
        self.floor = self.version;
    }

    pub(super) fn add_machine(&mut self, name: &str, role: NodeRole, address: &str, version: &str) {
        let before = self.machines.get(name).map(|machine| machine.credential.as_str());
        let machine = Machine {
            credential: next_credential(name, before),
            role,
            address: address.to_owned(),
            version: version.to_owned(),
            running: true,
            stopped_at: None,
            renewed_at: None,
        };
        self.machines.insert(name.to_owned(), machine);
        self.rest = None;
    }

    pub(super) fn set_kubelet(&mut self, name: &str, running: bool, now: Timestamp) {
        if let Some(machine) = self.machines.get_mut(name).filter(|machine| machine.running != running) {
            machine.running = running;
            machine.stopped_at = (!running).then_some(now);
            machine.renewed_at = None;
            self.rest = None;
        }
    }

    /// Another world that is the same by now, without its history and what was asked. Objects are shared until they change.
    pub(super) fn fork(&self) -> Self {
        Self {
            version: self.version,
            made: self.made,
            floor: self.version,
            objects: self.objects.clone(),
            machines: self.machines.clone(),
            pods: self.pods.clone(),
            detaching: self.detaching.clone(),
            collecting: self.collecting.clone(),
            pace: self.pace,
            ..Self::default()
        }
    }

    pub(super) fn snapshot(&self) -> Value {
        json!({
            "made": self.made,
            "objects": self.objects.iter().map(|(key, object)| json!([key, object.as_ref()])).collect::<Vec<_>>(),
            "machines": self.machines,
            "pods": self.pods,
            "detaching": self.detaching,
            "collecting": self.collecting,
            "pace": self.pace,
        })
    }

    pub(super) fn restore(&mut self, snapshot: &Value) -> Result<(), Failure> {
        fn read<T: serde::de::DeserializeOwned>(snapshot: &Value, field: &str) -> Result<T, Failure> {
            T::deserialize(&snapshot[field])
                .map_err(|error| Failure::bad_request(format!("the snapshot's {field}: {error}")))
        }
        let made = read(snapshot, "made")?;
        let objects: Vec<(Key, Value)> = read(snapshot, "objects")?;
        let (machines, pods) = (read(snapshot, "machines")?, read(snapshot, "pods")?);
        let (detaching, pace) = (read(snapshot, "detaching")?, read(snapshot, "pace")?);
        let collecting = read(snapshot, "collecting")?;
        self.objects.clear();
        for (key, object) in objects {
            self.put(&key, object);
        }
        self.compact();
        (self.made, self.machines, self.pods, self.detaching, self.pace) = (made, machines, pods, detaching, pace);
        (self.collecting, self.rest) = (collecting, None);
        Ok(())
    }
}

/// A name that is like a fingerprint, the same in every run, and another one each time a machine is set up anew.
fn next_credential(name: &str, before: Option<&str>) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes().chain(before.unwrap_or_default().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("X509SHA256={hash:064x}")
}

pub(super) fn key(resource: &str, namespace: &str, name: &str) -> Key {
    (resource.to_owned(), namespace.to_owned(), name.to_owned())
}

/// The text at a JSON pointer, or nothing.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Labels or other maps of text at a JSON pointer.
pub(super) fn map(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let fields = object.pointer(pointer).and_then(Value::as_object);
    let pairs = fields.into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// Kubernetes leaves empty maps and lists out of what it stores.
fn omit_empty(object: &mut Value) {
    let is_empty = |value: &Value| {
        value.is_null()
            || value.as_object().is_some_and(serde_json::Map::is_empty)
            || value.as_array().is_some_and(Vec::is_empty)
    };
    for field in ["annotations", "labels", "finalizers", "ownerReferences"] {
        if object["metadata"].get(field).is_some_and(is_empty) {
            drop_field(&mut object["metadata"], field);
        }
    }
}

/// Takes a field off an object, if it is one.
pub(super) fn drop_field(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

/// A time as Kubernetes writes it, in whole seconds.
pub(super) fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

pub(super) fn terminating(resource: &str, namespace: &str) -> Failure {
    let why = format!("namespace {namespace} is being terminated");
    Failure::new(403, "Forbidden", format!("{resource} is forbidden: unable to create new content because {why}"))
        .because("NamespaceTerminating", why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn config_map(name: &str, value: u32) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": {"n": value.to_string()}})
    }

    #[test]
    fn a_write_that_changes_nothing_makes_no_version() {
        let mut world = World::new(NOW);
        world.apply(config_map("a", 1), NOW).unwrap();
        let version = world.version();
        world.apply(config_map("a", 1), NOW).unwrap();
        assert_eq!(world.version(), version);
        world.apply(config_map("a", 2), NOW).unwrap();
        assert_eq!(world.version(), version + 1);
    }

    #[test]
    fn changes_are_told_from_any_version_that_is_still_known() {
        let mut world = World::new(NOW);
        let start = world.version();
        world.apply(config_map("a", 1), NOW).unwrap();
        world.apply(config_map("a", 2), NOW).unwrap();
        world.take(&key("configmaps", "shop", "a"));
        let told: Vec<_> = world.changes_after(start).unwrap().filter(|change| change.key.0 == "configmaps").collect();
        let shapes: Vec<_> = told.iter().map(|change| (change.before.is_some(), change.after.is_some())).collect();
        assert_eq!(shapes, [(false, true), (true, true), (true, false)]);
        world.compact();
        assert_eq!(world.changes_after(start).err().unwrap().code, 410);
        assert_eq!(world.changes_after(world.version()).unwrap().count(), 0);
    }

    #[test]
    fn an_object_needs_a_namespace_that_exists() {
        let mut world = World::new(NOW);
        let kind = kinds::by_resource("configmaps").unwrap();
        assert_eq!(world.create(kind, "none", config_map("a", 1), NOW).unwrap_err().code, 404);
        assert!(world.create(kind, "default", config_map("a", 1), NOW).is_ok());
        assert_eq!(world.create(kind, "default", config_map("a", 1), NOW).unwrap_err().reason, "AlreadyExists");
    }

    #[test]
    fn a_snapshot_brings_the_same_objects_back() {
        let mut world = World::new(NOW);
        world.apply(config_map("a", 1), NOW).unwrap();
        world.add_machine("w1", NodeRole::Worker, "10.0.0.1", "v1.33.1");
        let snapshot = world.snapshot();
        let mut other = World::new(NOW);
        other.restore(&snapshot).unwrap();
        assert_eq!(other.all("configmaps")[0]["data"], json!({"n": "1"}));
        assert_eq!(other.machines, world.machines);
        assert!(other.restore(&json!({})).is_err());
    }
}
