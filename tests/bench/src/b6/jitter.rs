//! A network between coordinators and their store that is not steady: what goes through it waits, each piece for a time of its own, in both directions and
//! in order.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// The longest that a piece waits.
pub(super) const LONGEST: Duration = Duration::from_millis(50);
const PIECE: usize = 16 * 1024;

/// Addresses that lead to others, by such a network, for as long as the program runs.
pub(super) async fn before(urls: &[String]) -> anyhow::Result<Vec<String>> {
    let (tasks, mut ways) = (TaskTracker::new(), Vec::new());
    for url in urls {
        let to: SocketAddr = url.trim_start_matches("http://").parse().context(url.clone())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ways.push(format!("http://{}", listener.local_addr()?));
        tasks.spawn(lead(listener, to, tasks.clone()));
    }
    Ok(ways)
}

async fn lead(listener: TcpListener, to: SocketAddr, tasks: TaskTracker) {
    while let Ok((near, _)) = listener.accept().await {
        tasks.spawn(through(near, to));
    }
}

async fn through(near: TcpStream, to: SocketAddr) {
    let Ok(far) = TcpStream::connect(to).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let ((near_reads, near_writes), (far_reads, far_writes)) = (near.into_split(), far.into_split());
    // When one side has ended the other has nothing more to say.
    tokio::select! {
        _ = pieces(near_reads, far_writes) => {}
        _ = pieces(far_reads, near_writes) => {}
    }
}

async fn pieces(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    let (seed, mut number, mut piece) = (RandomState::new(), 0_u64, vec![0; PIECE]);
    loop {
        let length = from.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        number += 1;
        tokio::time::sleep(LONGEST.mul_f64((seed.hash_one(number) % 1_000) as f64 / 1e3)).await;
        to.write_all(&piece[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_through_arrives_whole_and_in_order() {
        let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", echo.local_addr().unwrap());
        let tasks = TaskTracker::new();
        tasks.spawn(async move {
            let (stream, _) = echo.accept().await.unwrap();
            let (mut reads, mut writes) = stream.into_split();
            tokio::io::copy(&mut reads, &mut writes).await.unwrap();
        });
        let ways = before(&[url]).await.unwrap();
        let mut stream = TcpStream::connect(ways[0].trim_start_matches("http://")).await.unwrap();
        for word in [&b"one"[..], &[7; 10_000], b"three"] {
            stream.write_all(word).await.unwrap();
            let mut answer = vec![0; word.len()];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, word);
        }
    }
}
