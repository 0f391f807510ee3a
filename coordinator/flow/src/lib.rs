//! How steps are run: plan, engine, runner, journal; no Kubernetes, no gRPC.
