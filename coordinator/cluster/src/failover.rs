//! Several API servers behind one client: when one does not answer, the next call goes to the next. Nothing is sent twice by itself: whether
//! to repeat a call is decided by whoever made it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use tower::BoxError;

/// The clients of all API servers, and which one is in use.
pub(crate) struct Failover {
    clients: Vec<kube::Client>,
    current: AtomicUsize,
}

impl Failover {
    /// One client that goes through `clients` in turn.
    pub(crate) fn over(clients: Vec<kube::Client>) -> kube::Client {
        let shared = Arc::new(Self { clients, current: AtomicUsize::new(0) });
        let service = tower::service_fn(move |request: Request<Body>| {
            let shared = shared.clone();
            async move { shared.send(request).await }
        });
        kube::Client::new(service, "default")
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let used = self.current.load(Ordering::Relaxed);
        let Some(client) = self.clients.get(used % self.clients.len().max(1)) else {
            return Err("no API server is configured".into());
        };
        let answer = client.send(request).await;
        if !answers(answer.as_ref().map(Response::status)) {
            // Of several calls that fail at once, one moves on.
            let _ = self.current.compare_exchange(used, used.wrapping_add(1), Ordering::Relaxed, Ordering::Relaxed);
        }
        answer.map_err(Into::into)
    }
}

/// Whether this API server is worth another call: a refusal is an answer, an overloaded or dying one says 503 or worse.
fn answers<E>(answer: Result<StatusCode, E>) -> bool {
    answer.is_ok_and(|status| ![StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_refusal_is_an_answer_and_a_dying_server_is_left() {
        assert!(answers::<()>(Ok(StatusCode::FORBIDDEN)) && answers::<()>(Ok(StatusCode::TOO_MANY_REQUESTS)));
        assert!(!answers::<()>(Ok(StatusCode::SERVICE_UNAVAILABLE)) && !answers(Err("refused")));
    }

    #[tokio::test]
    async fn each_failure_leads_to_the_next_server_and_round_again() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = |name: &'static str, works: bool| {
            let asked = asked.clone();
            let service = tower::service_fn(move |_: Request<Body>| {
                asked.lock().unwrap().push(name);
                async move {
                    if works { Ok(Response::new(Body::empty())) } else { Err(BoxError::from("connection refused")) }
                }
            });
            kube::Client::new(service, "default")
        };
        let client = Failover::over(vec![server("m1", false), server("m2", true), server("m3", true)]);
        let ask = || client.send(Request::new(Body::empty()));
        assert!(ask().await.is_err());
        assert!(ask().await.is_ok());
        assert!(ask().await.is_ok());
        assert_eq!(*asked.lock().unwrap(), ["m1", "m2", "m2"], "it stays with one that answers");
    }
}
