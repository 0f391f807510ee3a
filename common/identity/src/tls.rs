//! TLS as Slipway speaks it: version 1.3 alone, both sides judged by the cluster's root and by the identity in the certificate. Host names play
//! no part: an agent keeps its identity when it moves, and an address proves nothing.

mod client;
mod current;
mod explain;
mod server;

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls_pki_types::UnixTime;
use slipway_errors::{Code, Coded};
use slipway_types::{Clock, Timestamp};

pub use client::{Expected, client_config, enrolment_config};
pub use current::CurrentIdentity;
pub use explain::explain;
pub use server::{ClientCertificate, judge_client, server_config};

/// What went wrong with setting TLS up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library refused the configuration.
    #[error("setting up TLS: {0}")]
    Setup(#[from] rustls::Error),
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        Self::new(Code::CONF_BAD_VALUE, error.to_string())
    }
}

/// HTTP/2, the only protocol that is spoken.
const ALPN: &[u8] = b"h2";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Lets the TLS library ask our clock.
#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn moment(time: UnixTime) -> Result<Timestamp, rustls::Error> {
    let seconds = i64::try_from(time.as_secs()).ok();
    seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).ok_or(rustls::Error::FailedToGetCurrentTime)
}
