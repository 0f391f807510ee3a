//! What we see: log lines and metrics. One call sets up each, so that all programs look alike to journald and to Prometheus.

mod logging;
mod metrics;

pub use logging::{Error, Verbosity, init};
pub use metrics::{MetricsPage, registry};
/// The kind of registry that [`MetricsPage`] serves.
pub use prometheus_client::registry::Registry;
