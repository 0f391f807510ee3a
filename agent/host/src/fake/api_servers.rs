//! Fake API servers: the machine's own is ready while its process runs and an etcd of its list can be read from; others are as the state says.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{FakeHost, State};
use crate::Error;
use crate::api_server::{ApiServers, host_and_port};
use crate::etcd::{Access, Etcd};

/// How another API server shows itself to this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// It is the cluster's, and ready.
    Ready,
    /// It is the cluster's, and not ready.
    NotReady,
    /// Its certificate was made by somebody else, or carries other names.
    Foreign,
}

fn is_own(state: &State, host: &str) -> bool {
    let has = |address: &String| address.split('/').next() == Some(host);
    host == "127.0.0.1" || state.links.iter().any(|link| link.name == "eth0" && link.addresses.iter().any(has))
}

/// The stores of the API server that runs on the machine; none runs: `None`.
fn stores(state: &State) -> Option<Vec<String>> {
    let process = state.processes.iter().find(|process| process.comm == "kube-apiserver")?;
    let list = process.cmdline.iter().find_map(|word| word.strip_prefix("--etcd-servers="))?;
    Some(list.split(',').map(str::to_owned).collect())
}

#[async_trait]
impl ApiServers for FakeHost {
    async fn ready(&self, server: &str, ca: &[u8]) -> Result<bool, Error> {
        let failed = |certificate: bool, why: &str| Error::ApiServer {
            server: server.to_owned(),
            certificate,
            refused: !certificate,
            why: why.to_owned(),
        };
        let stores = self
            .look("api_servers.ready", |state| {
                if ca.is_empty() {
                    return Err(failed(true, "there is no authority to judge it by"));
                }
                let host = host_and_port(server).map(|(host, _)| host.to_owned()).unwrap_or_default();
                match state.api_servers.get(server) {
                    Some(Server::Foreign) => Err(failed(true, "invalid peer certificate: UnknownIssuer")),
                    Some(other) => Ok(Err(*other == Server::Ready)),
                    None if is_own(state, &host) => {
                        stores(state).map(Ok).ok_or_else(|| failed(false, "connection refused"))
                    }
                    None => Err(failed(false, "connection refused")),
                }
            })
            .await?;
        let stores = match stores {
            Ok(stores) => stores,
            Err(ready) => return Ok(ready),
        };
        for url in stores {
            if self.quorum_read(&Access { url, tls: None }).await.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
