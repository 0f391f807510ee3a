//! From a kubeconfig to a client. Everything that can be wrong with the file is found here and told with the file's name, before a run starts.

use std::path::Path;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::Error;
use crate::failover::Failover;

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("slipway-coordinator/", env!("CARGO_PKG_VERSION"));

/// A client from the file's current context, over `endpoints` in turn where some are given.
pub(crate) async fn from_kubeconfig(path: &Path, endpoints: &[String]) -> Result<kube::Client, Error> {
    let refused = |reason: String| Error::Kubeconfig { path: path.display().to_string(), reason };
    let text = tokio::fs::read_to_string(path).await.map_err(|error| refused(error.to_string()))?;
    let mut file: Kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| refused(error.to_string()))?;
    resolve_files(&mut file, path.parent().unwrap_or(Path::new("/")));
    let mut config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .map_err(|error| refused(error.to_string()))?;
    config.connect_timeout = Some(CONNECT_DEADLINE);
    // A client that repeats a write by itself would hide from us what was tried.
    config.default_retry = false;
    config.headers.push((USER_AGENT, HeaderValue::from_static(AGENT)));
    let client = |config: kube::Config| kube::Client::try_from(config).map_err(|error| refused(error.to_string()));
    if endpoints.is_empty() {
        return client(config);
    }
    let mut clients = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let cluster_url = endpoint.parse().map_err(|error| refused(format!("the endpoint {endpoint:?}: {error}")))?;
        let mut config = config.clone();
        config.cluster_url = cluster_url;
        clients.push(client(config)?);
    }
    Ok(Failover::over(clients))
}

/// Relative paths in a kubeconfig are meant from the file's own folder, as kubectl takes them.
fn resolve_files(file: &mut Kubeconfig, folder: &Path) {
    let resolve = |name: &mut Option<String>| {
        if let Some(name) = name.as_mut().filter(|name| !name.is_empty()) {
            *name = folder.join(&*name).display().to_string();
        }
    };
    for cluster in file.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        resolve(&mut cluster.certificate_authority);
    }
    for user in file.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        resolve(&mut user.token_file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.conf");
        std::fs::write(&path, text).unwrap();
        match from_kubeconfig(&path, &[]).await {
            Err(error @ Error::Kubeconfig { .. }) => error.to_string(),
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("taken: {text}"),
        }
    }

    #[tokio::test]
    async fn a_file_that_is_missing_or_broken_is_named_with_the_reason() {
        let error = from_kubeconfig(Path::new("/nowhere/admin.conf"), &[]).await.err().unwrap();
        assert!(error.to_string().contains("/nowhere/admin.conf"), "{error}");
        assert!(refusal(": : :").await.contains("admin.conf"));
        assert!(refusal("apiVersion: v1\nkind: Config\n").await.contains("context"));
        let no_cluster =
            "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n";
        assert!(refusal(no_cluster).await.contains("cluster"));
    }

    #[tokio::test]
    async fn a_certificate_beside_the_file_is_looked_for_there() {
        let text = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: c, user: u}}]\n\
                    clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', certificate-authority: ca.crt}}]\n\
                    users: [{name: u, user: {}}]\n";
        assert!(refusal(text).await.contains("/ca.crt"));
    }
}
