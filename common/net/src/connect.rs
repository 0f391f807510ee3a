//! The side that calls. A connection counts as made only when the other side has spoken HTTP/2 to us: under TLS 1.3 a server judges our
//! certificate after our own handshake is done, and only so its verdict reaches the caller as a reason instead of a broken pipe.

use std::error::Error as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use slipway_errors::{Code, Coded};
use slipway_identity::CaPin;
use slipway_identity::tls::{self, CurrentIdentity, Expected};
use slipway_proto::status::from_status;
use slipway_types::Clock;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::accept::{Dial, Tcp};
use crate::limits::{CALL, CONNECT, KEEPALIVE, KEEPALIVE_ANSWER, WINDOW};

/// Makes channels to others of the cluster.
#[derive(Debug, Clone)]
pub struct Connector<D = Tcp> {
    identity: Arc<CurrentIdentity>,
    clock: Arc<dyn Clock>,
    dial: D,
}

impl Connector {
    /// Shows `identity`, as it is at each connection's time.
    pub fn new(identity: Arc<CurrentIdentity>, clock: Arc<dyn Clock>) -> Self {
        Self { identity, clock, dial: Tcp }
    }
}

impl<D: Dial> Connector<D> {
    /// The same over another network.
    pub fn over<E: Dial>(self, dial: E) -> Connector<E> {
        Connector { identity: self.identity, clock: self.clock, dial }
    }

    /// Connects to `host:port`, where `expected` must answer. The channel connects again by itself when it was cut; a failure of that comes
    /// with the next call, coded likewise.
    pub async fn connect(&self, address: &str, expected: Expected) -> Result<Channel, Coded> {
        self.route(address, expected)?.connect().await
    }

    /// The same, but without waiting: the first call connects.
    pub fn lazy(&self, address: &str, expected: Expected) -> Result<Channel, Coded> {
        Ok(self.route(address, expected)?.lazy())
    }

    fn route(&self, address: &str, expected: Expected) -> Result<Route<D>, Coded> {
        let tls = tls::client_config(&self.identity, expected, self.clock.clone())?;
        Route::new(address, tls, self.dial.clone())
    }
}

/// Connects a newcomer to a coordinator: it shows nothing, and knows the coordinator by the hash of the root.
pub async fn connect_to_enrol(address: &str, pin: CaPin, clock: Arc<dyn Clock>) -> Result<Channel, Coded> {
    Route::new(address, tls::enrolment_config(pin, clock)?, Tcp)?.connect().await
}

/// Where and how to connect.
struct Route<D> {
    address: String,
    endpoint: Endpoint,
    tls: Arc<ClientConfig>,
    dial: D,
}

impl<D: Dial> Route<D> {
    fn new(address: &str, tls: Arc<ClientConfig>, dial: D) -> Result<Self, Coded> {
        let wrong =
            || Coded::new(Code::CONF_BAD_VALUE, format!("{address:?} is no address such as coordinator.example:7400"));
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| wrong())?;
        let bare = endpoint.uri().path() == "/" && endpoint.uri().query().is_none();
        if port.is_none() || !bare || address.contains(['@', '/']) {
            return Err(wrong());
        }
        let endpoint = endpoint
            .timeout(CALL)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_ANSWER)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        Ok(Self { address: address.to_owned(), endpoint, tls, dial })
    }

    async fn connect(self) -> Result<Channel, Coded> {
        let endpoint = self.endpoint.clone();
        let made = endpoint.connect_with_connector(self.connector()).await;
        made.map_err(|why| explain(&tonic::Status::from_error(Box::new(why))))
    }

    fn lazy(self) -> Channel {
        let endpoint = self.endpoint.clone();
        endpoint.connect_with_connector_lazy(self.connector())
    }

    #[expect(clippy::type_complexity, reason = "spelling it once beats naming it")]
    fn connector(
        self,
    ) -> impl tower::Service<
        http::Uri,
        Response = TokioIo<Confirmed<D::Stream>>,
        Error = Coded,
        Future = Pin<Box<dyn Future<Output = Result<TokioIo<Confirmed<D::Stream>>, Coded>> + Send>>,
    > + Send
    + 'static {
        let Self { address, tls, dial, .. } = self;
        tower::service_fn(move |_: http::Uri| {
            let (address, tls, dial) = (address.clone(), tls.clone(), dial.clone());
            let made = async move {
                let made = tokio::time::timeout(CONNECT, open(&address, tls, &dial)).await;
                let late = || {
                    Coded::new(Code::WIRE_DEADLINE, format!("{address} did not answer within {} s", CONNECT.as_secs()))
                };
                made.unwrap_or_else(|_| Err(late())).map(TokioIo::new)
            };
            Box::pin(made) as Pin<Box<dyn Future<Output = _> + Send>>
        })
    }
}

/// Why a call failed: what the other side said, or else why there was no connection to it, which a bare status does not tell.
pub fn explain(status: &tonic::Status) -> Coded {
    let mut below = status.source();
    while let Some(error) = below {
        if let Some(coded) = error.downcast_ref::<Coded>() {
            return coded.clone();
        }
        below = error.source();
    }
    from_status(status)
}

async fn open<D: Dial>(address: &str, tls: Arc<ClientConfig>, dial: &D) -> Result<Confirmed<D::Stream>, Coded> {
    let failed = |why: &io::Error| failure(address, why);
    let stream = dial.dial(address).await.map_err(|why| failed(&why))?;
    // Names play no part in who is accepted; the library asks for one all the same.
    let name = ServerName::IpAddress(std::net::IpAddr::from([0, 0, 0, 0]).into());
    let mut stream = TlsConnector::from(tls).connect(name, stream).await.map_err(|why| failed(&why))?;
    let mut first = [0; 1024];
    match stream.read(&mut first).await {
        Ok(0) => Err(Coded::new(Code::WIRE_UNREACHABLE, format!("{address} closed the connection at once"))),
        Ok(length) => Ok(Confirmed { stream, first: Bytes::copy_from_slice(first.get(..length).unwrap_or_default()) }),
        Err(why) => Err(failed(&why)),
    }
}

fn failure(address: &str, why: &io::Error) -> Coded {
    if let Some(tls) = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        let mut error = tls::explain(tls);
        error.message = format!("{address}: {}", error.message);
        return error;
    }
    Coded::new(Code::WIRE_UNREACHABLE, format!("{address} cannot be reached: {why}"))
}

/// A connection over which the other side has spoken; its first bytes are handed on.
struct Confirmed<S> {
    stream: TlsStream<S>,
    first: Bytes,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Confirmed<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let length = self.first.remaining().min(into.remaining());
        into.put_slice(&self.first.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Confirmed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
