//! One request about one pod, and what its answer means. The body of an eviction is written here rather than taken from the client library,
//! whose `delete_options` the API server does not know: the uid in it would be dropped without a word.

use std::time::Duration;

use http::Request;
use serde_json::{Value, json};

use super::attempt::{Answer, Attempt, How};
use crate::api::{send_json, unsendable};
use crate::{ClusterApi, Error, status};

/// Sends an attempt and sorts the answer.
pub(super) async fn send(cluster: &ClusterApi, attempt: &Attempt) -> Answer {
    let result = match &attempt.how {
        How::LookUp(owner) => cluster.daemon_set_exists(&attempt.pod.namespace, owner).await.map(Answer::Exists),
        How::Evict => evict(cluster, attempt).await,
        How::Delete => delete(cluster, attempt).await,
    };
    match result {
        Ok(answer) => answer,
        Err(error @ (Error::Gate(_) | Error::Forbidden { .. })) => Answer::Fatal(error),
        Err(error @ (Error::Unreachable { .. } | Error::Conflict { .. })) => Answer::Later(error),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

async fn evict(cluster: &ClusterApi, attempt: &Attempt) -> Result<Answer, Error> {
    let doing = format!("evict pod {}", attempt.pod);
    let path = format!("{}/eviction", path(attempt));
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"namespace": attempt.pod.namespace, "name": attempt.pod.name},
        "deleteOptions": options(attempt),
    });
    let request = send_json(Request::post(path), &body).map_err(|error| unsendable(&doing, &error))?;
    match cluster.write::<Value>(&doing, request).await? {
        Ok(_) => Ok(Answer::Accepted),
        Err(error) => refused(cluster, attempt, &doing, error).await,
    }
}

async fn delete(cluster: &ClusterApi, attempt: &Attempt) -> Result<Answer, Error> {
    let doing = format!("delete pod {}", attempt.pod);
    let request =
        send_json(Request::delete(path(attempt)), &options(attempt)).map_err(|error| unsendable(&doing, &error))?;
    match cluster.write::<Value>(&doing, request).await? {
        Ok(_) => Ok(Answer::Accepted),
        Err(error) => refused(cluster, attempt, &doing, error).await,
    }
}

async fn refused(cluster: &ClusterApi, attempt: &Attempt, doing: &str, error: kube::Error) -> Result<Answer, Error> {
    if let kube::Error::Api(told) = &error {
        if status::budget_cause(told).is_some() {
            return Ok(Answer::OverBudget);
        }
        if status::namespace_terminates(told) {
            return Ok(Answer::NamespaceTerminates);
        }
        if told.code == 403 && !told.message.contains(" cannot ") {
            return Ok(Answer::Refused(told.message.clone()));
        }
    }
    match status::sort(doing, error) {
        Error::NotFound { .. } => Ok(Answer::Gone),
        Error::Conflict { doing, reason } => {
            let now = cluster.pod(&attempt.pod).await?;
            let same = now.is_some_and(|pod| pod.uid == attempt.uid);
            if same { Err(Error::Conflict { doing, reason }) } else { Ok(Answer::Gone) }
        }
        error => Err(error),
    }
}

fn path(attempt: &Attempt) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", attempt.pod.namespace, attempt.pod.name)
}

fn options(attempt: &Attempt) -> Value {
    let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": attempt.uid}});
    if let Some(grace) = attempt.grace {
        options["gracePeriodSeconds"] = json!(whole_seconds(grace));
    }
    options
}

/// A grace of zero would delete the object without the kubelet's word that the containers ended, so one second is the least.
fn whole_seconds(grace: Duration) -> u64 {
    grace.as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PodRef;

    #[test]
    fn every_request_is_about_one_pod_by_uid() {
        let pod = PodRef { namespace: "shop".into(), name: "web".into() };
        let mut attempt = Attempt { uid: "u1".into(), pod, how: How::Evict, grace: None, budget: None };
        assert_eq!(options(&attempt)["preconditions"]["uid"], "u1");
        assert!(options(&attempt).get("gracePeriodSeconds").is_none());
        attempt.grace = Some(Duration::ZERO);
        assert_eq!(options(&attempt)["gracePeriodSeconds"], 1);
    }
}
