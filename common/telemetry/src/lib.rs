//! What we see: tracing and metrics, set up by one function.
