//! I18, as far as it is about the address: at most one holder answers on a connected segment, except for two adverts after it was not.
//!
//! What VRRP and keepalived can promise, and what is asked here:
//!
//! - **One holder.** Two that hear each other, and whose keepalived is at work, both have the address for no more than two adverts: the lower one
//!   leaves when it hears the higher one, which speaks once an advert. Two that do not hear each other, or of which one's keepalived stands still, can
//!   both have it for as long as that lasts: nobody can tell a cut from a death. Where adverts get lost nothing is promised.
//! - **None is left behind.** What a dead keepalived leaves is taken away by a guard that has seen it before, at one of its next looks.
//! - **The sick one yields** to one that is well: within the guard's patience and two of its looks, or, where its guard is silent, within the time for
//!   which a word holds and one check of keepalived's; and then within one patience of the other's keepalived (three adverts and its skew).
//! - **Among sick ones the holder stays**, also where guards die and begin again, if its guard has said once that it holds, and the other guards that
//!   theirs do not.
//! - **A well holder keeps it**: from its guard's word on that it holds, nobody takes it; before that, nobody who is not well. So one that returns takes
//!   it from a holder that is well only if it is well itself, and never once that has had time for two looks. Illness that is over before the
//!   guard's patience is, and a guard's restart within the time for which its word holds, move nothing.
//! - **Somebody has it**, where a keepalived is at work, after two of its patiences at most.
//!
//! "Well" and "sick" are what is true of a master and what its guard cannot but have seen, never what it says: `truth` has the times.

mod lasts;
mod truth;

use std::time::Duration;

use self::lasts::Lasts;
use self::truth::{CHECKED, SEEN, Truth};
use super::{Broken, Name};
use crate::vip::segment::{MASTERS, Segment};

/// An advert is never later than that.
const LATE: Duration = Duration::from_millis(4);
/// The longest patience of a backup, in adverts: three, and a skew of less than one.
const PATIENCE: u32 = 4;
/// After that everything that was said before the segment became whole is done with.
const SETTLED: Duration = Duration::from_secs(2);

/// What is remembered of the segment.
pub struct Address {
    truths: Vec<Truth>,
    whole: Lasts,
    both: [Lasts; MASTERS],
    left_behind: [Lasts; MASTERS],
    nobody: [Lasts; MASTERS],
    yields: [Lasts; MASTERS * MASTERS],
    protected: [Option<&'static str>; MASTERS],
    had: [bool; MASTERS],
}

impl Address {
    /// Before anything happens.
    pub fn new(segment: &Segment) -> Self {
        Self {
            truths: (0..MASTERS).map(|_| Truth::new(segment)).collect(),
            whole: Lasts::default(),
            both: Default::default(),
            left_behind: Default::default(),
            nobody: Default::default(),
            yields: Default::default(),
            protected: Default::default(),
            had: Default::default(),
        }
    }

    /// Whether it still holds after an event.
    pub fn look(&mut self, segment: &Segment) -> Vec<Broken> {
        for (number, (truth, master)) in self.truths.iter_mut().zip(&segment.masters).enumerate() {
            truth.see(segment, number, master);
        }
        let up = |number: usize| segment.masters.get(number).is_some_and(|master| master.up);
        let hears = |(a, b): (usize, usize)| !up(a) || !up(b) || segment.hear_each_other(a, b);
        self.whole.see(segment.now(), pairs().all(hears));
        let asked = [
            self.one_holder(segment),
            self.none_left_behind(segment),
            self.sick_yields(segment),
            self.nobody_takes(segment),
            self.somebody_has(segment),
        ];
        self.protect(segment);
        asked.into_iter().filter_map(Result::err).map(|how| Broken { name: Name::I18, how }).collect()
    }

    /// Whether everything has come to a good end.
    pub fn at_rest(&self, segment: &Segment) -> Vec<Broken> {
        let holders: Vec<usize> = (0..MASTERS).filter(|number| self.has(*number)).collect();
        let how = match holders.as_slice() {
            [one] if self.truths.get(*one).is_some_and(|truth| truth.steady) => return Vec::new(),
            [one] => format!("m{} has the address in the end and is not well", one + 1),
            several => format!("{} have the address in the end", several.len()),
        };
        let how = format!("{how}, after {} s", segment.now().as_secs());
        vec![Broken { name: Name::I18, how }]
    }

    fn has(&self, number: usize) -> bool {
        self.truths.get(number).is_some_and(|truth| truth.has.is_so())
    }

    fn is_able(&self, number: usize) -> bool {
        self.truths.get(number).is_some_and(|truth| truth.able.is_so())
    }

    fn is_whole(&self) -> bool {
        self.whole.is_so()
    }

    fn one_holder(&mut self, segment: &Segment) -> Result<(), String> {
        let (now, most) = (segment.now(), advert(segment) * 2 + LATE);
        for (index, (a, b)) in pairs().enumerate() {
            let holds = |number| self.has(number) && self.is_able(number);
            let is = holds(a) && holds(b) && segment.hear_each_other(a, b);
            let Some(both) = self.both.get_mut(index) else { continue };
            if both.see(now, is).is_some_and(|lasts| lasts > most) {
                return Err(format!(
                    "m{} and m{} hear each other and both have had the address for {most:?}",
                    a + 1,
                    b + 1
                ));
            }
        }
        Ok(())
    }

    fn none_left_behind(&mut self, segment: &Segment) -> Result<(), String> {
        for (number, master) in segment.masters.iter().enumerate() {
            let own = self.truths.get(number).is_some_and(|truth| truth.own == Some(master.guard.life));
            let is = master.up && master.address && master.keepalived.runs.is_none() && master.guard.works() && own;
            let Some(lasts) = self.left_behind.get_mut(number) else { continue };
            if lasts.see(segment.now(), is).is_some_and(|lasts| lasts > SEEN) {
                return Err(format!("the guard of m{} leaves what a dead keepalived left behind", number + 1));
            }
        }
        Ok(())
    }

    fn sick_yields(&mut self, segment: &Segment) -> Result<(), String> {
        let (now, most) = (segment.now(), CHECKED + advert(segment) * PATIENCE * 2);
        for index in 0..MASTERS * MASTERS {
            let (holder, other) = (index / MASTERS, index % MASTERS);
            let able = self.is_whole() && self.is_able(holder) && self.is_able(other);
            let sick = self.truths.get(holder).is_some_and(|truth| truth.sick.is_so());
            let is = able && self.has(holder) && sick && self.truths.get(other).is_some_and(|truth| truth.steady);
            let Some(lasts) = self.yields.get_mut(index) else { continue };
            if lasts.see(now, is).is_some_and(|lasts| lasts > most) {
                return Err(format!("m{} is sick and keeps the address, and m{} is well", holder + 1, other + 1));
            }
        }
        Ok(())
    }

    fn nobody_takes(&mut self, segment: &Segment) -> Result<(), String> {
        let has = std::array::from_fn(|number| self.has(number));
        let had = std::mem::replace(&mut self.had, has);
        let had = |number: usize| had.get(number).copied().unwrap_or_default();
        let protected = |number: usize| self.protected.get(number).copied().flatten();
        for number in (0..MASTERS).filter(|number| self.has(*number) && !had(*number)) {
            let sick = self.truths.get(number).is_some_and(|truth| truth.sick.is_so() && calm(truth));
            for other in (0..MASTERS).filter(|other| *other != number && had(*other)) {
                if let Some(why) = protected(other) {
                    return Err(format!("m{} takes the address from m{}: {why}", number + 1, other + 1));
                }
                if sick && self.is_well_holder(segment, other) {
                    return Err(format!("m{} takes the address from m{} before it is well", number + 1, other + 1));
                }
            }
        }
        for number in (0..MASTERS).filter(|number| had(*number) && !self.has(*number)) {
            if let (Some(why), true, true) = (protected(number), self.is_able(number), self.is_whole()) {
                return Err(format!("m{} loses the address: {why}", number + 1));
            }
        }
        Ok(())
    }

    fn somebody_has(&mut self, segment: &Segment) -> Result<(), String> {
        let (now, most) = (segment.now(), advert(segment) * PATIENCE * 2 + LATE);
        let held = (0..MASTERS).any(|number| self.has(number) && self.is_able(number));
        for number in 0..MASTERS {
            let is = !held && self.is_whole() && self.is_able(number);
            let Some(lasts) = self.nobody.get_mut(number) else { continue };
            if lasts.see(now, is).is_some_and(|lasts| lasts > most) {
                return Err(format!("nobody has the address, and the keepalived of m{} is at work", number + 1));
            }
        }
        Ok(())
    }

    /// Whether a master is well, and has the address and been heard for long enough that no sick one takes it: two can begin at one moment.
    fn is_well_holder(&self, segment: &Segment, number: usize) -> bool {
        let now = segment.now();
        let settled = self.whole.for_at_least(now, SETTLED);
        let heard = |one: &&Truth| one.has.for_at_least(now, LATE) && one.able.for_at_least(now, SETTLED);
        settled && self.truths.get(number).filter(heard).is_some_and(|one| one.steady)
    }

    /// From whom the address must not go with the next event.
    fn protect(&mut self, segment: &Segment) {
        let now = segment.now();
        let all_sick = self.truths.iter().all(|truth| truth.sick.for_at_least(now, SETTLED));
        self.protected = std::array::from_fn(|number| {
            let truth = self.truths.get(number)?;
            let others = self.truths.iter().enumerate().filter(|(other, _)| *other != number);
            let quiet = others.map(|(_, other)| other).all(|other| other.told == Some(false) && calm(other));
            let holds = self.has(number) && truth.told == Some(true) && truth.able.for_at_least(now, SETTLED);
            if !(quiet && holds && self.whole.for_at_least(now, SETTLED)) {
                return None;
            }
            match (truth.steady, all_sick) {
                (true, _) => Some("it is well and holds it"),
                (_, true) => Some("the others are as sick as it is"),
                _ => None,
            }
        });
    }
}

/// A keepalived that has read all that it was sent.
fn calm(truth: &Truth) -> bool {
    !truth.dazed.is_so()
}

fn advert(segment: &Segment) -> Duration {
    Duration::from_millis(segment.settings.advert_ms.into())
}

fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..MASTERS).map(|a| (a, (a + 1) % MASTERS))
}
