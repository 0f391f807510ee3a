//! The little of HTTP that pages for Prometheus need: one question on one connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

const DEADLINE: Duration = Duration::from_secs(10);

/// What lies there.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(body(&answer)?.to_owned())
}

fn body(answer: &str) -> anyhow::Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer of HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "{status}");
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_page() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nX: y\r\n\r\na 1\n").unwrap(), "a 1\n");
        assert!(body("HTTP/1.0 503 Service Unavailable\r\n\r\nno").unwrap_err().to_string().contains("503"));
        assert!(body("").is_err());
    }
}
