//! The seam below TLS: where bytes come from. TCP here; a simulator brings its own, and everything above stays as it is.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

/// Something that connections come in by.
pub trait Accept: Send + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Waits for the next connection. Dropping the wait loses none.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// Something that connections go out by.
pub trait Dial: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Connects to `host:port`.
    fn dial(&self, address: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// The network of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

impl Dial for Tcp {
    type Stream = TcpStream;

    #[expect(clippy::disallowed_methods, reason = "this is the one place that dials")]
    async fn dial(&self, address: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, from))
    }
}

/// Listens on `host:port`; port 0 takes any free one (`local_addr` tells which).
#[expect(clippy::disallowed_methods, reason = "this is the one place that listens")]
pub async fn bind(address: &str) -> Result<TcpListener, slipway_errors::Coded> {
    TcpListener::bind(address).await.map_err(|why| {
        slipway_errors::Coded::new(slipway_errors::Code::CONF_BAD_VALUE, format!("cannot listen on {address}: {why}"))
            .do_this("see what holds the port (ss -ltnp), or configure another one")
    })
}
