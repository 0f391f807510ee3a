//! A gRPC server from its socket to its services: listener, gate and limits, put together in the one right way, and stopped without leaving
//! anything behind.

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_identity::tls::{self, ClientCertificate, CurrentIdentity};
use slipway_types::Clock;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::accept::Accept;
use crate::audit::Audit;
use crate::authorise::Gate;
use crate::limits::{self, DRAIN};
use crate::listen::{Listening, accept_all};

/// Connections whose handshake is done and that the server has not taken yet.
const QUEUE: usize = 16;

/// What went wrong with serving.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The server ended by itself.
    #[error("serving gRPC: {0}")]
    Server(#[from] tonic::transport::Error),
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        match error {
            Error::Tls(error) => error.into(),
            Error::Server(_) => Self::new(Code::INTERNAL, error.to_string()),
        }
    }
}

/// How a listener meets its callers.
#[derive(Debug, Clone)]
pub struct Door {
    /// What it shows; swapped while it runs.
    pub identity: Arc<CurrentIdentity>,
    /// What it asks for.
    pub callers: ClientCertificate,
    /// Where it takes the time from.
    pub clock: Arc<dyn Clock>,
    /// Where refusals and permitted changes are recorded.
    pub audit: Arc<dyn Audit>,
}

impl Door {
    /// The gate that goes by the allow-table alone.
    pub fn gate(&self) -> Gate {
        Gate::new(self.clock.clone(), self.audit.clone())
    }
}

/// Serves `routes` on `accept` until `stop`; then calls under way have [`DRAIN`] to end. Returns when every task of it has ended.
pub async fn serve<A: Accept>(
    accept: A,
    door: Door,
    gate: Gate,
    routes: Routes,
    stop: CancellationToken,
) -> Result<(), Error> {
    let tls = tls::server_config(&door.identity, door.callers, door.clock.clone())?;
    let (out, incoming) = mpsc::channel(QUEUE);
    let (kill, tasks) = (CancellationToken::new(), TaskTracker::new());
    let listening = Listening { door, tls, out, stop: stop.clone(), kill: kill.clone(), tasks: tasks.clone() };
    tasks.spawn(accept_all(accept, Arc::new(listening)));

    let server = limits::server().layer(gate).serve_with_incoming_shutdown(
        routes.prepare(),
        ReceiverStream::new(incoming),
        stop.clone().cancelled_owned(),
    );
    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
        kill.cancel();
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = server => ended,
        () = drained => Ok(()),
    };
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(ended?)
}
