//! The number that stops an old leader at the receiver. Terms are compared only within one lineage: a store that was put back from a backup
//! may count from anywhere, so another lineage is refused, never ordered.

use serde::{Deserialize, Serialize};

/// Counts leaderships within one lineage. Strictly increasing, 0 means "none yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Term(pub u64);

impl Term {
    /// The term after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Names the store that terms are counted in. Made once, at `slipway init`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lineage(pub String);

/// Who speaks with which leadership. Every command that changes something carries one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Fence {
    /// The store that the term is counted in.
    pub lineage: Lineage,
    /// The leadership.
    pub term: Term,
    /// The coordinator process that holds it.
    pub holder: String,
}

/// How an offered fence stands to the one that a receiver has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceOrder {
    /// The same leadership.
    Same,
    /// A later leadership: the receiver keeps it, durably, before it acts.
    Newer,
    /// A leadership that has ended.
    Older,
    /// The same term claimed by another holder.
    OtherHolder,
    /// Terms of another store: not comparable.
    OtherLineage,
}

impl Fence {
    /// How `offered` stands to `self`, the fence that was kept.
    pub fn judge(&self, offered: &Fence) -> FenceOrder {
        if self.lineage != offered.lineage {
            return FenceOrder::OtherLineage;
        }
        match offered.term.cmp(&self.term) {
            std::cmp::Ordering::Greater => FenceOrder::Newer,
            std::cmp::Ordering::Less => FenceOrder::Older,
            std::cmp::Ordering::Equal if self.holder == offered.holder => FenceOrder::Same,
            std::cmp::Ordering::Equal => FenceOrder::OtherHolder,
        }
    }
}

impl std::fmt::Display for Fence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "term {} of {} (lineage {})", self.term, self.holder, self.lineage.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fence(lineage: &str, term: u64, holder: &str) -> Fence {
        Fence { lineage: Lineage(lineage.into()), term: Term(term), holder: holder.into() }
    }

    #[test]
    fn only_a_later_term_of_the_same_lineage_is_newer() {
        let kept = fence("a", 5, "c1");
        assert_eq!(kept.judge(&fence("a", 5, "c1")), FenceOrder::Same);
        assert_eq!(kept.judge(&fence("a", 6, "c2")), FenceOrder::Newer);
        assert_eq!(kept.judge(&fence("a", 4, "c1")), FenceOrder::Older);
        assert_eq!(kept.judge(&fence("a", 5, "c2")), FenceOrder::OtherHolder);
        assert_eq!(kept.judge(&fence("b", 9, "c1")), FenceOrder::OtherLineage);
    }
}
