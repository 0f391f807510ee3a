//! Who speaks with whom.

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// A coordinator, by its number.
    Coordinator(usize),
    /// The agent of a host, by the host's number.
    Agent(usize),
    /// What a host says to the segment that it is on, by the host's number.
    Segment(usize),
    /// The API server.
    Api,
    /// The store.
    Store,
    /// Whoever types commands.
    Operator,
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Coordinator(number) => write!(f, "c{}", number + 1),
            Self::Agent(number) => write!(f, "h{}", number + 1),
            Self::Segment(number) => write!(f, "m{}", number + 1),
            Self::Api => f.write_str("api"),
            Self::Store => f.write_str("store"),
            Self::Operator => f.write_str("operator"),
        }
    }
}
