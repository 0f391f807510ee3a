//! Would the pods of the leaving nodes fit on those that stay? The scheduler is asked by no dry run, so its hard rules are worked out here
//! over plain data, for all leaving nodes together. What was left out is said, because a promise that hides its conditions is none.

mod demand;
mod neighbours;
mod place;
#[cfg(test)]
mod place_tests;
mod quantity;
mod read;
mod report;
mod requests;
mod room;
mod rules;

pub use demand::{Demand, NamespaceLabels, Neighbour, Spread, VolumePlace};
pub use place::preflight;
pub use quantity::{Amount, Amounts, parse as parse_amount, show as show_amount};
pub use report::{CapacityReport, Homeless, Placement};
pub use room::Room;
pub use rules::{HostPort, NodeTerms, Toleration};

/// All that a preflight looks at, as it was at one moment.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Every node, by name.
    pub rooms: Vec<Room>,
    /// Every pod that is not finished.
    pub demands: Vec<Demand>,
    /// The labels of every namespace.
    pub namespaces: NamespaceLabels,
}
