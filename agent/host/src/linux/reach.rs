//! Asks over the machine's own network, with a deadline on each question.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use slipway_net::{Dial as _, Tcp};
use tokio::net::UdpSocket;

use crate::Error;
use crate::reach::Reach;

/// A lost datagram is asked again by whoever asks.
const DEADLINE: Duration = Duration::from_secs(2);
/// The discard port: who listens there answers too.
const PORT: u16 = 9;
/// No answer to a question of ours is larger.
const ANSWER: usize = 4096;

/// The machine's network.
#[derive(Debug)]
pub(super) struct Network;

async fn datagram(server: SocketAddr, question: &[u8]) -> std::io::Result<Vec<u8>> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; ANSWER];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

#[async_trait]
impl Reach for Network {
    async fn ask(&self, server: SocketAddr, question: &[u8]) -> Result<Vec<u8>, Error> {
        let doing = || format!("asking {server}");
        match tokio::time::timeout(DEADLINE, datagram(server, question)).await {
            Ok(answer) => answer.map_err(Error::io(doing())),
            Err(_) => Err(Error::io(doing())(ErrorKind::TimedOut.into())),
        }
    }

    async fn answers(&self, address: IpAddr) -> Result<bool, Error> {
        match tokio::time::timeout(DEADLINE, Tcp.dial(&SocketAddr::new(address, PORT).to_string())).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
            // The kernel says so of what it knows no way to, or was told of by a router.
            Ok(Err(error)) if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                Ok(false)
            }
            Ok(Err(error)) => Err(Error::io(format!("connecting to {address}"))(error)),
            Err(_) => Ok(false),
        }
    }
}
