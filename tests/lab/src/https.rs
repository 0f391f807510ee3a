//! A client of an API server for what the tests' own hands do: one connection, one request at a time, a deadline on each. kubectl starts
//! too slowly to write ten times a second, and shows no more of an answer than it likes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

const PORT: u16 = 6443;
const CONNECT: Duration = Duration::from_millis(500);
/// Longer than an election of etcd takes, shorter than a person would wait.
const ANSWER: Duration = Duration::from_secs(3);
const LARGEST: u64 = 4 << 20;

/// Who asks, and whom it trusts; all of it PEM.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// The authority of the API servers.
    pub(crate) authority: String,
    /// The client's certificate, with its key before or behind it.
    pub(crate) identity: String,
}

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// A client of the API server at one address.
pub(crate) struct Client {
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    limits: Limits,
    open: Option<Connection>,
}

/// How long it waits for a connection, and for an answer.
#[derive(Clone, Copy)]
struct Limits {
    connect: Duration,
    answer: Duration,
}

type Connection = BufReader<StreamOwned<ClientConnection, TcpStream>>;

impl Client {
    pub(crate) fn new(address: &str, credentials: &Credentials) -> Result<Self> {
        Ok(Self {
            address: format!("{address}:{PORT}").parse()?,
            name: ServerName::try_from(address.to_owned())?,
            config: Arc::new(config(credentials)?),
            limits: Limits { connect: CONNECT, answer: ANSWER },
            open: None,
        })
    }

    /// One that gives up sooner.
    pub(crate) fn hasty(self, connect: Duration, answer: Duration) -> Self {
        Self { limits: Limits { connect, answer }, ..self }
    }

    /// Asks the next time over a new connection, as a client does that has just come.
    pub(crate) fn forget(&mut self) {
        self.open = None;
    }

    /// Asks and waits for the answer. After an error nobody knows whether the request was heard; the next one goes over a new
    /// connection.
    pub(crate) fn ask(&mut self, verb: &str, path: &str, body: &str) -> Result<Reply> {
        let mut connection = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: lab\r\nAccept: application/json\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let stream = connection.get_mut();
        stream.write_all(request.as_bytes()).and_then(|()| stream.flush()).context("send the request")?;
        let (reply, stays_open) = answer(&mut connection)?;
        self.open = stays_open.then_some(connection);
        Ok(reply)
    }

    fn connect(&self) -> Result<Connection> {
        let socket = TcpStream::connect_timeout(&self.address, self.limits.connect).context("connect")?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(self.limits.answer))?;
        socket.set_write_timeout(Some(self.limits.answer))?;
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone())?;
        Ok(BufReader::new(StreamOwned::new(session, socket)))
    }
}

fn config(credentials: &Credentials) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(credentials.authority.as_bytes()) {
        roots.add(authority?)?;
    }
    let chain = CertificateDer::pem_slice_iter(credentials.identity.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(credentials.identity.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}

/// One answer, and whether another may follow on the same connection.
fn answer(from: &mut impl std::io::BufRead) -> Result<(Reply, bool)> {
    let status = line(from)?;
    let code = status.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let status = code.with_context(|| format!("an answer begins with {status:?}"))?;
    let (mut length, mut chunked, mut stays_open) = (0, false, true);
    loop {
        let header = line(from)?.to_ascii_lowercase();
        match header.split_once(':').map(|(name, value)| (name, value.trim())) {
            None if header.is_empty() => break,
            Some(("content-length", value)) => length = value.parse()?,
            Some(("transfer-encoding", "chunked")) => chunked = true,
            Some(("connection", "close")) => stays_open = false,
            _ => {}
        }
    }
    let body = if chunked { chunks(from)? } else { exactly(from, length)? };
    Ok((Reply { status, body: String::from_utf8_lossy(&body).into_owned() }, stays_open))
}

fn chunks(from: &mut impl std::io::BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let size = u64::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
            .with_context(|| format!("a chunk's size is {size:?}"))?;
        body.extend(exactly(from, size)?);
        ensure!(line(from)?.is_empty(), "a chunk ends late");
        ensure!(body.len() as u64 <= LARGEST, "the answer is too long");
        if size == 0 {
            return Ok(body);
        }
    }
}

fn exactly(from: &mut impl std::io::BufRead, length: u64) -> Result<Vec<u8>> {
    ensure!(length <= LARGEST, "the answer is too long: {length} bytes");
    let mut body = vec![0; usize::try_from(length)?];
    from.read_exact(&mut body).context("read the answer")?;
    Ok(body)
}

fn line(from: &mut impl std::io::BufRead) -> Result<String> {
    let mut text = String::new();
    let read = from.take(LARGEST).read_line(&mut text).context("read the answer")?;
    if read == 0 {
        bail!("the connection was closed without an answer");
    }
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_known_length_leaves_the_next_one_alone() {
        let mut from = &b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200"[..];
        let (reply, stays_open) = answer(&mut from).unwrap();
        assert_eq!((reply.status, reply.body.as_str(), stays_open), (201, "{}", true));
        assert_eq!(from, b"HTTP/1.1 200");
    }

    #[test]
    fn an_answer_in_pieces_is_put_together() {
        let mut from =
            &b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"[..];
        let (reply, stays_open) = answer(&mut from).unwrap();
        assert_eq!((reply.status, reply.body.as_str(), stays_open), (403, "abcd", false));
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(answer(&mut &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..]).is_err());
        assert!(answer(&mut &b""[..]).is_err());
    }
}
