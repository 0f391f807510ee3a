//! Reads the path and query of a request: which verb on which objects.

use std::collections::BTreeMap;

use http::{Method, Uri};

use super::failure::Failure;
use super::kinds::{self, Kind};

/// A request about objects, understood.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    pub(super) verb: &'static str,
    pub(super) kind: &'static Kind,
    /// Empty for cluster-wide resources, and for lists over all namespaces.
    pub(super) namespace: String,
    /// Empty for collections.
    pub(super) name: String,
    /// Such as `eviction` or `status`, or empty.
    pub(super) subresource: String,
    pub(super) query: BTreeMap<String, String>,
}

impl ApiRequest {
    pub(super) fn parse(method: &Method, uri: &Uri) -> Result<Self, Failure> {
        let not_found = || Failure::new(404, "NotFound", "the server could not find the requested resource");
        let segments: Vec<&str> = uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let (api_version, rest) = match &segments[..] {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return Err(not_found()),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return Err(not_found()),
        };
        let kind = kinds::by_path(&api_version, plural).ok_or_else(not_found)?;
        let query = axum::extract::Query::<BTreeMap<String, String>>::try_from_uri(uri)
            .map_err(|error| Failure::bad_request(error.to_string()))?
            .0;
        let verb = verb_of(method, name, &query)?;
        let (namespace, name, subresource) = (namespace.to_owned(), name.to_owned(), subresource.to_owned());
        Ok(Self { verb, kind, namespace, name, subresource, query })
    }

    /// The resource as an audit log names it: `pods`, `pods/eviction`, `leases` of whatever group.
    pub(super) fn resource(&self) -> String {
        let plural = self.kind.resource.split('.').next().unwrap_or_default();
        if self.subresource.is_empty() { plural.to_owned() } else { format!("{plural}/{}", self.subresource) }
    }

    pub(super) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }
}

fn verb_of(method: &Method, name: &str, query: &BTreeMap<String, String>) -> Result<&'static str, Failure> {
    let watching = query.get("watch").is_some_and(|value| value == "true" || value == "1");
    Ok(match (method.as_str(), name.is_empty()) {
        ("GET", true) if watching => "watch",
        ("GET", true) => "list",
        ("GET", false) => "get",
        ("POST", _) => "create",
        ("PUT", false) => "update",
        ("PATCH", false) => "patch",
        ("DELETE", false) => "delete",
        _ => {
            return Err(Failure::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(method: &str, uri: &str) -> Result<ApiRequest, Failure> {
        ApiRequest::parse(&method.parse().unwrap(), &uri.parse().unwrap())
    }

    #[test]
    fn paths_are_read_as_the_api_lays_them_out() {
        for (method, uri, expected) in [
            ("GET", "/api/v1/nodes", ("list", "nodes", "", "")),
            ("GET", "/api/v1/nodes?watch=true&resourceVersion=5", ("watch", "nodes", "", "")),
            ("GET", "/api/v1/namespaces/shop", ("get", "namespaces", "", "shop")),
            ("DELETE", "/api/v1/namespaces/shop/pods/p?", ("delete", "pods", "shop", "p")),
            ("POST", "/api/v1/namespaces/shop/pods/p/eviction?", ("create", "pods/eviction", "shop", "p")),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/d", ("patch", "deployments", "shop", "d")),
            (
                "GET",
                "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/w1",
                ("get", "leases", "kube-node-lease", "w1"),
            ),
        ] {
            let found = parse(method, uri).unwrap();
            assert_eq!(
                (found.verb, found.resource().as_str(), found.namespace.as_str(), found.name.as_str()),
                expected
            );
        }
    }

    #[test]
    fn selectors_come_out_of_the_query_decoded() {
        let found = parse("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dw1&labelSelector=a%3Db%2Cc").unwrap();
        assert_eq!(found.parameter("fieldSelector"), "spec.nodeName=w1");
        assert_eq!(found.parameter("labelSelector"), "a=b,c");
    }

    #[test]
    fn what_is_not_installed_is_not_found() {
        assert_eq!(parse("GET", "/apis/cilium.io/v2/ciliumnodes").unwrap_err().code, 404);
        assert_eq!(parse("GET", "/nowhere").unwrap_err().code, 404);
        assert_eq!(parse("DELETE", "/api/v1/nodes").unwrap_err().code, 405);
    }
}
