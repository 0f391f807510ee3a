//! Asks an API server over TLS whether it is ready: one request of three lines and the first line of the answer, for which no client is needed.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use slipway_net::{Dial, Tcp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::Error;
use crate::api_server::{ApiServers, host_and_port};

const DEADLINE: Duration = Duration::from_secs(5);
const ANSWER: u64 = 4096;

/// API servers over the network.
#[derive(Debug)]
pub(super) struct Servers;

fn failed(server: &str, certificate: bool, why: impl Into<String>) -> Error {
    Error::ApiServer { server: server.to_owned(), certificate, refused: false, why: why.into() }
}

fn config(server: &str, ca: &[u8]) -> Result<ClientConfig, Error> {
    let unusable = |why: String| failed(server, true, format!("the authority that it is judged by: {why}"));
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(ca) {
        let der = der.map_err(|error| unusable(error.to_string()))?;
        roots.add(der).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("there is none".into()));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn ask(server: &str, ca: &[u8]) -> Result<bool, Error> {
    let (host, port) =
        host_and_port(server).ok_or_else(|| failed(server, false, "no address such as https://api:6443"))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(server, false, error.to_string()))?;
    let config = config(server, ca)?;
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let silent = |error: std::io::Error| Error::ApiServer {
        server: server.to_owned(),
        certificate: is_certificate(&error),
        refused: error.kind() == ErrorKind::ConnectionRefused,
        why: error.to_string(),
    };
    let stream = Tcp.dial(&address).await.map_err(silent)?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(silent)?;
    let request =
        format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nUser-Agent: slipway-agent\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(silent)?;
    let mut answer = Vec::new();
    // A server that closes without a farewell has answered all the same.
    let read = stream.take(ANSWER).read_to_end(&mut answer).await;
    match status(&answer) {
        Some(status) => Ok((200..300).contains(&status)),
        None => {
            Err(failed(server, false, read.err().map_or_else(|| "no answer of HTTP".into(), |error| error.to_string())))
        }
    }
}

fn is_certificate(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[async_trait]
impl ApiServers for Servers {
    async fn ready(&self, server: &str, ca: &[u8]) -> Result<bool, Error> {
        match tokio::time::timeout(DEADLINE, ask(server, ca)).await {
            Ok(answer) => answer,
            Err(_) => Err(failed(server, false, format!("no answer within {} s", DEADLINE.as_secs()))),
        }
    }
}

#[cfg(test)]
#[path = "api_server_tests.rs"]
mod tests;
