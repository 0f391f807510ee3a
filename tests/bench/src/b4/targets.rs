//! What the peer asks: for each host a listener of its own that answers with the host's figures, in the plain HTTP that exporters speak.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::figures;
use crate::part;

/// Hosts below one address of three bytes.
const IN_ONE_NET: usize = 200;
/// The longest question of a client that only asks for a page.
const LONGEST_QUESTION: usize = 8 * 1024;

/// The process: says who listens where, and answers until nobody needs it.
pub(crate) async fn answer(count: usize) -> anyhow::Result<()> {
    part::open_many_files()?;
    let (mut addresses, mut serving) = (Vec::new(), JoinSet::new());
    for number in 0..count {
        let listener = TcpListener::bind((address(number), 0)).await?;
        addresses.push(listener.local_addr()?);
        serving.spawn(serve(listener, Arc::new(AtomicU64::new(0))));
    }
    part::say(&addresses)?;
    part::wait().await
}

/// Addresses of loopback that nothing else here uses.
fn address(number: usize) -> Ipv4Addr {
    let (net, host) = (number / IN_ONE_NET, number % IN_ONE_NET + 1);
    Ipv4Addr::new(127, 1, net as u8, host as u8)
}

async fn serve(listener: TcpListener, looks: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(speak(stream, looks.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers every question on one connection, until the peer closes it.
async fn speak(mut stream: TcpStream, looks: Arc<AtomicU64>) -> std::io::Result<()> {
    let mut question = Vec::new();
    loop {
        if stream.read_buf(&mut question).await? == 0 || question.len() > LONGEST_QUESTION {
            return Ok(());
        }
        if question.ends_with(b"\r\n\r\n") {
            question.clear();
            let page = figures::page(&figures::of(looks.fetch_add(1, Ordering::Relaxed)));
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            stream.write_all((head + &page).as_bytes()).await?;
        }
    }
}

/// All of them, as the peer's list of what it asks.
pub(super) fn list(addresses: &[SocketAddr]) -> String {
    let targets: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    serde_json::json!([{ "targets": targets }]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_an_address_of_its_own() {
        let all: std::collections::BTreeSet<Ipv4Addr> = (0..15_000).map(address).collect();
        assert_eq!(all.len(), 15_000);
        assert!(all.iter().all(Ipv4Addr::is_loopback));
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_further_questions() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::default()));
        let mut answer = Vec::new();
        for look in 0..2 {
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            answer.clear();
            while !answer.ends_with(b"kind=\"full\"} 0.5\n") || !String::from_utf8_lossy(&answer).contains("\"io\"") {
                assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the connection was closed");
            }
            assert!(String::from_utf8_lossy(&answer).contains(&format!("host_cpu_percent {look}\n")));
        }
    }
}
