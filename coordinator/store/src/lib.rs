//! Where state is kept: Store trait, sqlite, memory, one conformance suite.
