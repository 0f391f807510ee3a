//! An application of the lab's own with people who use it all the time: each request over a new connection, none of them ever repeated. One
//! that fails is one too many.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::build::WEB;
use crate::each::each;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::node;

/// Its namespace.
pub(crate) const NAMESPACE: &str = "web";
/// Of its pods.
pub(crate) const REPLICAS: usize = 4;
const MANIFEST: &str = include_str!("../../assets/web.yaml");
const NODE_PORT: u16 = 30090;
const PERIOD: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(3);
/// Told of one by one; more would say no more.
const TOLD: usize = 8;

/// The application, running.
pub(crate) struct Web<'a> {
    lab: &'a Lab,
}

impl<'a> Web<'a> {
    /// Starts it and waits until all of it answers, at every node.
    pub(crate) fn start(lab: &'a Lab) -> Result<Self> {
        each(&lab.nodes(), |host| node::import(host, &lab.built().extra_images))?;
        lab.master()?.write_file("/root/web.yaml", "0644", MANIFEST.replace("@WEB@", WEB))?;
        lab.kubectl(&["apply", "-f", "/root/web.yaml"])?;
        lab.kubectl(&["-n", NAMESPACE, "rollout", "status", "deployment/web", "--timeout=90s"])?;
        eventually("the budget to count all pods healthy", Duration::from_secs(20), || {
            let budget = lab.kubectl_json(&["-n", NAMESPACE, "get", "pdb", "web"])?;
            let healthy = &budget["status"]["currentHealthy"];
            ensure!(*healthy == REPLICAS, "it counts {healthy}");
            Ok(())
        })?;
        for address in addresses(lab)? {
            eventually(&format!("the application at {address}"), Duration::from_secs(30), || ask(address))?;
        }
        Ok(Self { lab })
    }

    /// Sends people there: each request to the next node's port, from outside.
    pub(crate) fn requests(&self) -> Result<Requests> {
        let addresses = addresses(self.lab)?;
        let (over, sent) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (ends, count) = (Arc::clone(&over), Arc::clone(&sent));
        Ok(Requests { over, sent, thread: Some(thread::spawn(move || request(&addresses, &ends, &count))) })
    }

    /// Takes it away.
    pub(crate) fn stop(self) -> Result<()> {
        self.lab.kubectl(&["delete", "namespace", NAMESPACE, "--timeout=120s"]).map(|_| ())
    }
}

fn addresses(lab: &Lab) -> Result<Vec<SocketAddr>> {
    lab.nodes().iter().map(|host| Ok(SocketAddr::new(host.address().parse()?, NODE_PORT))).collect()
}

/// People at work.
pub(crate) struct Requests {
    over: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Requested>>,
}

/// What they met with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requested {
    pub(crate) answered: usize,
    /// When after the first, where, and how it failed.
    pub(crate) failed: Vec<String>,
    /// The longest that one waited for an answer.
    pub(crate) slowest: Duration,
}

impl fmt::Display for Requested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, failed, slowest } = self;
        write!(f, "{answered} requests answered, {} failed, the slowest took {} ms", failed.len(), slowest.as_millis())
    }
}

impl Requests {
    /// Ends it: what they met with.
    pub(crate) fn end(mut self) -> Result<Requested> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("it was ended before"))?;
        let requested = thread.join().map_err(|_| anyhow!("the thread of requests panicked"))?;
        println!("       web: {requested}");
        Ok(requested)
    }

    /// Ends it: every request must have been answered, and there must have been some.
    pub(crate) fn none_failed(self) -> Result<()> {
        let sent = self.sent.load(Ordering::Relaxed);
        let Requested { failed, .. } = self.end()?;
        ensure!(sent > 20, "hardly anything was asked: {sent}");
        let told: Vec<&String> = failed.iter().take(TOLD).collect();
        ensure!(failed.is_empty(), "{} of {sent} requests failed: {told:#?}", failed.len());
        Ok(())
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn request(addresses: &[SocketAddr], over: &AtomicBool, sent: &AtomicUsize) -> Requested {
    let (start, mut turn, mut requested) = (Instant::now(), Duration::ZERO, Requested::default());
    for address in addresses.iter().cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let at = start.elapsed();
        match ask(*address) {
            Ok(()) => requested.answered += 1,
            Err(error) => requested.failed.push(format!("{:.1} s, {address}: {error:#}", at.as_secs_f32())),
        }
        requested.slowest = requested.slowest.max(start.elapsed().saturating_sub(at));
        sent.fetch_add(1, Ordering::Relaxed);
        turn = (turn + PERIOD).max(start.elapsed());
        thread::sleep(turn.saturating_sub(start.elapsed()));
    }
    requested
}

/// One request over a connection of its own.
fn ask(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n").context("send")?;
    let mut answer = String::new();
    stream.take(1 << 16).read_to_string(&mut answer).context("read")?;
    match answer.lines().next() {
        Some(line) if line.contains(" 200 ") => Ok(()),
        line => bail!("it answered {line:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_request_that_nobody_answers_is_one_that_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut first, _) = listener.accept().unwrap();
            assert!(first.read(&mut [0; 512]).unwrap() > 0);
            first.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nw1\n").unwrap();
            drop(first);
            let (mut second, _) = listener.accept().unwrap();
            assert!(second.read(&mut [0; 512]).unwrap() > 0);
            second.write_all(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
        });
        assert!(ask(address).is_ok());
        assert!(ask(address).unwrap_err().to_string().contains("503"));
        server.join().unwrap();
        assert!(ask(address).is_err());
    }
}
