//! The real actions behind the core's seam.
