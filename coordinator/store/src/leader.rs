//! Who leads, as every backend judges it: a write goes through only under the very leadership that the store has recorded last.

use std::sync::{Mutex, PoisonError};

use slipway_types::{Fence, FenceOrder, Lineage, Term};
use tokio_util::sync::CancellationToken;

use crate::{Candidate, Error, HighWater, Leadership, Presence};

impl HighWater {
    /// What writes under it carry.
    pub fn fence(&self) -> Fence {
        Fence { lineage: self.lineage.clone(), term: self.term, holder: self.holder.clone() }
    }

    /// Refuses a write under any other leadership. Before the first campaign there is none to write under.
    pub fn admit(&self, offered: &Fence) -> Result<(), Error> {
        let leader = self.fence();
        if self.term != Term(0) && leader.judge(offered) == FenceOrder::Same {
            Ok(())
        } else {
            Err(Error::StaleTerm { leader, offered: offered.clone() })
        }
    }

    /// The leadership that a candidate wins, where that leader is at work, as far as the backend can tell. Who says whom it comes after has seen that one
    /// fall: where somebody is at work it has not, and has read the term of one that came first.
    pub fn next(&self, candidate: &Candidate, at_work: Option<&Presence>) -> Result<Self, Error> {
        let Candidate { holder, floor, after, .. } = candidate;
        if let Some(seen) = after.filter(|seen| *seen != self.term) {
            return Err(Error::Conflict(format!("term {} of {} came after term {seen}", self.term, self.holder)));
        }
        if let (Some(_), Some(Presence { term, holder, .. })) = (after, at_work) {
            return Err(Error::Conflict(format!("{holder} is at work under term {term}")));
        }
        if holder.is_empty() || holder.len() > 256 {
            return Err(Error::Refused("a holder's name has 1 to 256 characters".to_owned()));
        }
        Ok(Self { lineage: self.lineage.clone(), term: self.term.max(*floor).next(), holder: holder.clone() })
    }
}

/// The token of the present leadership in this process.
#[derive(Debug, Default)]
pub(crate) struct Seat(Mutex<Option<CancellationToken>>);

impl Seat {
    /// Whoever led before learns that it is over.
    pub(crate) fn taken_by(&self, won: &HighWater) -> Leadership {
        let lost = CancellationToken::new();
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(lost.clone());
        if let Some(before) = before {
            before.cancel();
        }
        Leadership { fence: won.fence(), lost, before_may_act: false }
    }
}

/// A store that does not belong to this cluster is not opened.
pub(crate) fn same_lineage(found: &Lineage, expected: &Lineage) -> Result<(), Error> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::OtherLineage { found: found.clone(), expected: expected.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_recorded_leadership_may_write_and_before_the_first_nobody() {
        let none = HighWater { lineage: Lineage("a".into()), term: Term(0), holder: String::new() };
        assert!(none.admit(&none.fence()).is_err());
        let first = none.next(&Candidate::new("c1"), None).unwrap();
        assert_eq!(first.admit(&first.fence()), Ok(()));
        let second = first.next(&Candidate::new("c1").above(Term(40)), None).unwrap();
        assert!(first.next(&Candidate::new("c2").after(Term(0)), None).is_err(), "somebody came first");
        assert_eq!(second.term, Term(41), "the floor counts");
        assert!(second.admit(&first.fence()).is_err());
        let other = Fence { holder: "c2".into(), ..second.fence() };
        assert!(second.admit(&other).is_err());
        let presence = Presence { term: second.term, holder: "c1".into(), address: String::new() };
        let late = second.next(&Candidate::new("c2").after(second.term), Some(&presence));
        assert!(late.is_err(), "whoever is at work has not fallen");
        assert!(second.next(&Candidate::new("c2"), Some(&presence)).is_ok(), "whoever led");
    }
}
