//! How bytes move: listener and connector, TLS above, limits.
