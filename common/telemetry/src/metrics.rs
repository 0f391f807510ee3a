//! Metrics for Prometheus, as a page on a port of its own: plain HTTP, meant for loopback, and so small in its limits that a stranger there can
//! take nothing from the daemon.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use slipway_errors::Coded;
use slipway_net::Accept;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Readers at a time.
const MAX_READERS: usize = 8;
/// From connecting to the end of the answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between attempts when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(200);
/// The media type of the OpenMetrics text format.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A registry that already tells program and version (`slipway_build_info`); names in it begin with `slipway_`.
pub fn registry(program: &str) -> Registry {
    let mut registry = Registry::with_prefix("slipway");
    let build = Family::<Vec<(String, String)>, Gauge>::default();
    let labels = vec![("program".into(), program.into()), ("version".into(), env!("CARGO_PKG_VERSION").into())];
    build.get_or_create(&labels).set(1);
    registry.register("build_info", "The program and its version; always 1", build);
    registry
}

/// The page at `/metrics`.
#[derive(Debug)]
pub struct MetricsPage {
    listener: TcpListener,
    router: Router,
}

impl MetricsPage {
    /// Binds `listen` (`host:port`) for `registry`. A separate step, so that a port in use is told before the daemon says that it is ready.
    pub async fn bind(listen: &str, registry: Arc<Registry>) -> Result<Self, Coded> {
        let listener = slipway_net::bind(listen).await?;
        let router = Router::new().route("/metrics", get(page)).with_state(registry);
        Ok(Self { listener, router })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`.
    pub async fn serve(mut self, stop: CancellationToken) {
        let (readers, tasks) = (Arc::new(Semaphore::new(MAX_READERS)), TaskTracker::new());
        loop {
            let next = async {
                let place = readers.clone().acquire_owned().await;
                (place, Accept::accept(&mut self.listener).await)
            };
            let Some((place, accepted)) = stop.run_until_cancelled(next).await else { break };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let (router, stop) = (self.router.clone(), stop.clone());
            tasks.spawn(async move {
                let _place = place;
                let mut http =
                    hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new()).http1_only();
                http.http1()
                    .timer(TokioTimer::new())
                    .header_read_timeout(DEADLINE)
                    .keep_alive(false)
                    .max_buf_size(16 * 1024);
                let answered = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
                let _ = stop.run_until_cancelled(tokio::time::timeout(DEADLINE, answered)).await;
            });
        }
        tasks.close();
        tasks.wait().await;
    }
}

async fn page(State(registry): State<Arc<Registry>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_net::{Dial, Tcp};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn ask(address: &str, request: &str) -> String {
        let mut stream = Tcp.dial(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_page_tells_what_is_registered_and_ends_when_told() {
        let page = MetricsPage::bind("127.0.0.1:0", Arc::new(registry("slipway-test"))).await.unwrap();
        let (address, stop) = (page.address().unwrap().to_string(), CancellationToken::new());
        let mut served = tokio::task::JoinSet::new();
        served.spawn(page.serve(stop.clone()));

        let answer = ask(&address, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("slipway_build_info{program=\"slipway-test\",version=\"0.1.0\"} 1"), "{answer}");
        assert!(ask(&address, "GET /other HTTP/1.1\r\nhost: x\r\n\r\n").await.starts_with("HTTP/1.1 404"));

        let silent = Tcp.dial(&address).await.unwrap();
        stop.cancel();
        tokio::time::timeout(Duration::from_secs(5), served.join_next()).await.unwrap().unwrap().unwrap();
        drop(silent);
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_at_once() {
        let first = MetricsPage::bind("127.0.0.1:0", Arc::new(registry("a"))).await.unwrap();
        let address = first.address().unwrap().to_string();
        let refused = MetricsPage::bind(&address, Arc::new(registry("b"))).await.unwrap_err();
        assert!(refused.message.contains(&address), "{refused}");
    }
}
