//! How objects end: preconditions, grace of pods, finalizers.

use serde_json::{Value, json};
use slipway_types::Timestamp;

use super::failure::Failure;
use super::world::{Key, World, key, stamp, text};

const DEFAULT_GRACE: i64 = 30;

/// What a client asks for with a delete.
#[derive(Debug, Clone, Default)]
pub(super) struct DeleteOptions {
    pub(super) grace: Option<i64>,
    pub(super) uid: Option<String>,
    pub(super) version: Option<String>,
}

impl DeleteOptions {
    pub(super) fn read(value: &Value) -> Self {
        let own = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Self {
            grace: value["gracePeriodSeconds"].as_i64(),
            uid: own("/preconditions/uid"),
            version: own("/preconditions/resourceVersion"),
        }
    }
}

impl World {
    pub(super) fn delete_named(
        &mut self,
        resource: &str,
        namespace: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.delete(&key(resource, namespace, name), &DeleteOptions::default(), now).map(|_| ())
    }

    /// Deletes, as far as preconditions, grace and finalizers let it. The answer is the object as it is then.
    pub(super) fn delete(&mut self, key: &Key, options: &DeleteOptions, now: Timestamp) -> Result<Value, Failure> {
        let object = self.get(key).cloned().ok_or_else(|| Failure::not_found(&key.0, &key.2))?;
        holds(key, &object, options)?;
        if key.0 == "pods" {
            return Ok(self.delete_pod(key, object, options.grace, now));
        }
        let contents = key.0 == "namespaces" && self.every_key().iter().any(|other| other.1 == key.2);
        if has_finalizers(&object) || contents {
            return Ok(self.mark(key, object, now, 0));
        }
        Ok(self.take(key).unwrap_or(object))
    }

    fn delete_pod(&mut self, key: &Key, pod: Value, asked: Option<i64>, now: Timestamp) -> Value {
        let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_GRACE);
        let runs =
            !text(&pod, "/spec/nodeName").is_empty() && !["Succeeded", "Failed"].contains(&text(&pod, "/status/phase"));
        let grace = if runs { asked.unwrap_or(own).max(0) } else { 0 };
        if grace == 0 {
            self.pods.entry(text(&pod, "/metadata/uid").to_owned()).or_default().ended = true;
            if has_finalizers(&pod) {
                return self.mark(key, pod, now, 0);
            }
            return self.take(key).unwrap_or(pod);
        }
        let before = pod.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        if before.is_some_and(|before| before <= grace) {
            return pod;
        }
        // The kubelet works the end out anew from the shorter grace.
        self.pods.entry(text(&pod, "/metadata/uid").to_owned()).or_default().ends_at = None;
        self.mark(key, pod, now, grace)
    }

    fn mark(&mut self, key: &Key, mut object: Value, now: Timestamp, grace: i64) -> Value {
        let at = now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(now);
        object["metadata"]["deletionTimestamp"] = json!(stamp(at));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        self.put(key, object.clone());
        self.get(key).cloned().unwrap_or(object)
    }

    /// Removes an object that was only waiting for its finalizers, and for its containers where it is a pod.
    pub(super) fn finish_if_free(&mut self, key: &Key, _now: Timestamp) {
        let Some(object) = self.get(key) else { return };
        let waits = object.pointer("/metadata/deletionTimestamp").is_some() && !has_finalizers(object);
        let runs = key.0 == "pods" && !self.pods.get(text(object, "/metadata/uid")).is_some_and(|times| times.ended);
        if waits && !runs && key.0 != "namespaces" {
            self.take(key);
        }
    }
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    object.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|finalizers| !finalizers.is_empty())
}

pub(super) fn holds(key: &Key, object: &Value, options: &DeleteOptions) -> Result<(), Failure> {
    let refused = |field: &str, wanted: &str, found: &str| {
        Err(Failure::conflict(
            &key.0,
            &key.2,
            &format!("Precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}"),
        ))
    };
    let (uid, version) = (text(object, "/metadata/uid"), text(object, "/metadata/resourceVersion"));
    match options {
        DeleteOptions { uid: Some(wanted), .. } if wanted != uid => refused("UID", wanted, uid),
        DeleteOptions { version: Some(wanted), .. } if wanted != version => refused("ResourceVersion", wanted, version),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn pod(world: &mut World, more: &Value) -> Key {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": {"nodeName": "w1"}});
        super::super::patch::merge(&mut pod, more);
        world.apply(pod, NOW).unwrap();
        key("pods", "shop", "p")
    }

    #[test]
    fn a_wrong_uid_or_version_changes_nothing() {
        let mut world = World::new(NOW);
        let key = pod(&mut world, &json!({}));
        for options in [
            DeleteOptions { uid: Some("x".into()), ..DeleteOptions::default() },
            DeleteOptions { version: Some("1".into()), ..DeleteOptions::default() },
        ] {
            assert_eq!(world.delete(&key, &options, NOW).unwrap_err().code, 409);
        }
        assert!(world.get(&key).unwrap().pointer("/metadata/deletionTimestamp").is_none());
    }

    #[test]
    fn a_running_pod_keeps_its_grace_which_can_only_be_shortened() {
        let mut world = World::new(NOW);
        let key = pod(&mut world, &json!({"spec": {"terminationGracePeriodSeconds": 60}}));
        let grace = |world: &World| world.get(&key).unwrap()["metadata"]["deletionGracePeriodSeconds"].as_i64();
        world.delete(&key, &DeleteOptions::default(), NOW).unwrap();
        assert_eq!(grace(&world), Some(60));
        world.delete(&key, &DeleteOptions { grace: Some(5), ..DeleteOptions::default() }, NOW).unwrap();
        assert_eq!(grace(&world), Some(5));
        world.delete(&key, &DeleteOptions { grace: Some(90), ..DeleteOptions::default() }, NOW).unwrap();
        assert_eq!(grace(&world), Some(5));
        world.delete(&key, &DeleteOptions { grace: Some(0), ..DeleteOptions::default() }, NOW).unwrap();
        assert!(world.get(&key).is_none());
    }

    #[test]
    fn a_finalizer_keeps_the_object_until_it_is_taken_off() {
        let mut world = World::new(NOW);
        let key =
            pod(&mut world, &json!({"metadata": {"finalizers": ["example.com/keep"]}, "spec": {"nodeName": null}}));
        world.delete(&key, &DeleteOptions::default(), NOW).unwrap();
        assert!(world.get(&key).unwrap().pointer("/metadata/deletionTimestamp").is_some());
        world.edit("pods", "shop", "p", NOW, |pod| pod["metadata"]["finalizers"] = json!([]));
        assert!(world.get(&key).is_none());
    }
}
