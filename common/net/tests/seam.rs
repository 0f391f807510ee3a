//! Below TLS anything may carry the bytes. Here it is memory, and time is paused, so that what takes hours on a network is seen at once: a
//! machine without descriptors, a silent caller, and connections that come to their end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at what it did not expect")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use slipway_identity::tls::{ClientCertificate, CurrentIdentity, Expected};
use slipway_identity::{Identity, Key, Leaf, PeerIdentity, Root};
use slipway_net::limits::{CONNECTION_AGE, CONNECTION_GRACE, HANDSHAKE};
use slipway_net::{Accept, Connector, Dial, Door, MemoryAudit, explain};
use slipway_types::{ManualClock, Role, Timestamp};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

type Arrival = io::Result<DuplexStream>;

struct Arrivals(mpsc::UnboundedReceiver<Arrival>);

impl Accept for Arrivals {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(arrival) => arrival.map(|stream| (stream, SocketAddr::from(([10, 0, 0, 9], 1)))),
            None => std::future::pending().await,
        }
    }
}

#[derive(Clone)]
struct Memory(mpsc::UnboundedSender<Arrival>);

impl Dial for Memory {
    type Stream = DuplexStream;

    async fn dial(&self, _: &str) -> io::Result<DuplexStream> {
        let (here, there) = tokio::io::duplex(64 * 1024);
        self.0.send(Ok(there)).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(here)
    }
}

struct World {
    connector: Connector<Memory>,
    network: Memory,
    audit: Arc<MemoryAudit>,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), slipway_net::Error>>,
}

impl World {
    fn start() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
        let root = Root::create("lab", &*clock).unwrap();
        let authority = root.authority("c1", &[], &*clock).unwrap();
        let identity = |role, id| {
            let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new("lab", role, id).unwrap());
            let leaf = Leaf { identity: &whom, validity: Duration::from_hours(24), names: &[] };
            let issued = authority.issue_to(&key, &leaf, &*clock).unwrap();
            CurrentIdentity::new(Identity::new(key, issued.chain_der, root.der().to_vec()).unwrap()).unwrap()
        };
        let (out, arrivals) = mpsc::unbounded_channel();
        let (network, audit, stop) = (Memory(out), Arc::new(MemoryAudit::default()), CancellationToken::new());
        let door = Door {
            identity: identity(Role::Agent, "h1"),
            callers: ClientCertificate::Required,
            clock: clock.clone(),
            audit: audit.clone(),
        };
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut tasks = JoinSet::new();
        let (gate, routes) = (door.gate(), tonic::service::Routes::new(health));
        tasks.spawn(slipway_net::serve(Arrivals(arrivals), door, gate, routes, stop.clone()));
        tasks.spawn(async move {
            reporter.set_service_status("", ServingStatus::Serving).await;
            std::future::pending().await
        });
        let connector = Connector::new(identity(Role::Coordinator, "c1"), clock).over(network.clone());
        Self { connector, network, audit, stop, tasks }
    }

    async fn health(&self) -> HealthClient<tonic::transport::Channel> {
        HealthClient::new(self.connector.connect("h1:7443", Expected::agent("h1")).await.unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_server_runs_over_memory() {
    let mut world = World::start();
    world.health().await.check(HealthCheckRequest::default()).await.unwrap();
    world.stop.cancel();
    world.tasks.join_next().await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_descriptors_costs_a_pause_and_no_listener() {
    let world = World::start();
    for raw in [24, 23, 105, 12, 103, 104] {
        world.network.0.send(Err(io::Error::from_raw_os_error(raw))).unwrap();
    }
    world.network.0.send(Err(io::Error::other("something new"))).unwrap();
    world.health().await.check(HealthCheckRequest::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn silent_callers_hold_no_place_beyond_the_handshakes_time() {
    let world = World::start();
    let mut silent = Vec::new();
    for _ in 0..(slipway_net::limits::MAX_HANDSHAKES) {
        silent.push(world.network.dial("").await.unwrap());
    }
    let began = tokio::time::Instant::now();
    // All places are taken, so this one is served when the silent ones have had their time; its own patience is shorter, so it comes back.
    let served = loop {
        match world.connector.connect("h1:7443", Expected::agent("h1")).await {
            Ok(channel) => break channel,
            Err(busy) => assert_eq!(busy.code, slipway_errors::Code::WIRE_DEADLINE),
        }
    };
    HealthClient::new(served).check(HealthCheckRequest::default()).await.unwrap();
    assert!(began.elapsed() < 3 * HANDSHAKE, "{:?}", began.elapsed());
    assert!(
        world.audit.codes().iter().all(|code| code == "SLIP-WIRE-004" || code == "SLIP-WIRE-002"),
        "{:?}",
        world.audit.codes()
    );
    for mut stream in silent {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "a silent connection was left open");
    }
}

async fn until_it_ends(mut stream: tonic::Streaming<HealthCheckResponse>) -> tonic::Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return tonic::Status::ok("the stream ended"),
            Err(status) => return status,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn even_an_endless_stream_ends_before_a_certificate_can() {
    let world = World::start();
    let stream = world.health().await.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let began = tokio::time::Instant::now();
    let status = until_it_ends(stream).await;
    assert!(began.elapsed() >= CONNECTION_AGE, "{:?}", began.elapsed());
    assert!(began.elapsed() <= CONNECTION_AGE + 2 * CONNECTION_GRACE, "{:?}", began.elapsed());
    assert_eq!(explain(&status).code, slipway_errors::Code::WIRE_UNREACHABLE, "{status}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_nobody_for_ever() {
    let mut world = World::start();
    let stream = world.health().await.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    let began = tokio::time::Instant::now();
    world.stop.cancel();
    world.tasks.join_next().await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() <= 2 * slipway_net::limits::DRAIN, "{:?}", began.elapsed());
    until_it_ends(stream).await;
}
