//! The network: every message is late by something, some by much; some are lost, some come twice, and a cut link loses them or holds them back
//! until it heals, in one direction or in both. Nothing here knows what the messages say.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::chance::Chance;
use crate::party::Party;

/// How a cut link behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// What is sent is lost.
    Loses,
    /// What is sent comes when the link is whole again.
    Holds,
}

/// Which messages a cut is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Who sends; none: anybody.
    pub from: Option<Party>,
    /// To whom; none: anybody.
    pub to: Option<Party>,
}

impl Link {
    fn carries(self, from: Party, to: Party) -> bool {
        self.from.is_none_or(|one| one == from) && self.to.is_none_or(|one| one == to)
    }
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It comes after so long, and once more after so much longer.
    Comes(Duration, Option<Duration>),
    /// It waits for that cut to heal.
    Waits(u64),
    /// It is lost.
    Lost,
}

/// The network.
#[derive(Debug)]
pub struct Net {
    chance: Chance,
    cuts: BTreeMap<u64, (Link, Cut)>,
    next: u64,
    /// Nothing goes wrong any more.
    pub calm: bool,
}

impl Net {
    /// A whole network.
    pub fn new(seed: u64) -> Self {
        Self { chance: Chance::of(seed, "net"), cuts: BTreeMap::new(), next: 0, calm: false }
    }

    /// Cuts links; gives the number of the cut.
    pub fn cut(&mut self, link: Link, cut: Cut) -> u64 {
        self.next += 1;
        self.cuts.insert(self.next, (link, cut));
        self.next
    }

    /// A cut is over. True if there was one.
    pub fn heal(&mut self, cut: u64) -> bool {
        self.cuts.remove(&cut).is_some()
    }

    /// The cuts that there are.
    pub fn cuts(&self) -> Vec<u64> {
        self.cuts.keys().copied().collect()
    }

    /// Whether nothing that one of them says comes to the other.
    pub fn is_cut(&self, from: Party, to: Party) -> bool {
        self.cuts.values().any(|(link, _)| link.carries(from, to))
    }

    /// What becomes of a message that is sent now.
    pub fn fate(&mut self, from: Party, to: Party) -> Fate {
        let cut = self.cuts.iter().find(|(_, (link, _))| link.carries(from, to));
        match cut {
            Some((_, (_, Cut::Loses))) => return Fate::Lost,
            Some((number, (_, Cut::Holds))) => return Fate::Waits(*number),
            None => {}
        }
        if self.calm {
            return Fate::Comes(Duration::from_micros(self.chance.between(500, 3_000)), None);
        }
        match self.chance.between(0, 1_000) {
            0..3 => Fate::Lost,
            3..10 => Fate::Comes(self.usual(), Some(Duration::from_millis(self.chance.between(1, 12_000)))),
            10..14 => Fate::Comes(Duration::from_millis(self.chance.between(500, 12_000)), None),
            14..50 => Fate::Comes(Duration::from_millis(self.chance.between(12, 400)), None),
            _ => Fate::Comes(self.usual(), None),
        }
    }

    /// How late an ordinary message is.
    pub fn usual(&mut self) -> Duration {
        Duration::from_micros(self.chance.between(300, 12_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_is_for_its_direction_and_until_it_heals() {
        let mut net = Net::new(1);
        net.calm = true;
        let (a, b) = (Party::Coordinator(0), Party::Agent(1));
        let cut = net.cut(Link { from: Some(a), to: None }, Cut::Holds);
        assert_eq!(net.fate(a, b), Fate::Waits(cut));
        assert!(matches!(net.fate(b, a), Fate::Comes(_, None)));
        assert!(net.heal(cut) && !net.heal(cut));
        assert!(matches!(net.fate(a, b), Fate::Comes(_, None)));
    }
}
