//! keepalived, as far as it decides who has the address: VRRP 3 as RFC 5798 has it, with what keepalived 2.2 to 2.4 adds or does otherwise (from its
//! `vrrp.c`, `vrrp_scheduler.c` and `vrrp_track.c`):
//!
//! - the priority is the base and all weights, cut to 1 to 254; it counts from the moment at which a file or the check changes;
//! - a backup that changes its priority moves its patience by the difference, and not to a new beginning;
//! - a backup that hears a lower priority than its own does nothing: it takes the address when its patience with the holder is over;
//! - a holder that hears a lower priority answers at once, and one that hears a higher one leaves at once;
//! - whoever begins, begins as a backup, and takes an address away that an earlier process has left.
//!
//! It knows neither time nor network: it is told what happens, and says what comes of it.

use std::time::Duration;

use super::configured::Configured;

/// Says that the holder stops.
pub const STOPS: i64 = 0;

/// What keepalived does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It sends an advert with this priority to each of the others.
    Sends(i64),
    /// It puts the address on its link.
    Takes,
    /// It takes it off.
    Leaves,
}

/// What it weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weighed {
    /// The number in the file of being well.
    pub well: i64,
    /// The number in the file of holding the address.
    pub holds: i64,
    /// The check lets the word pass.
    pub passes: bool,
}

/// One process of keepalived, with one address.
#[derive(Debug, Clone)]
pub struct Keepalived {
    configured: Configured,
    /// Of two alike, the one with the higher address wins; ours are in the order of their numbers.
    number: usize,
    weighed: Weighed,
    holder: bool,
    down: Duration,
    /// When its time is up: a backup's with the holder, a holder's until its next advert.
    pub due: Duration,
}

impl Keepalived {
    /// One that begins at `now`, as a backup. Its check counts as refusing until it has run.
    pub fn new(configured: Configured, number: usize, well: i64, holds: i64, now: Duration) -> Self {
        let weighed = Weighed { well, holds, passes: false };
        let mut one = Self { configured, number, weighed, holder: false, down: Duration::ZERO, due: now };
        one.wait_anew(now);
        one
    }

    /// What it weighs at present.
    pub const fn weighed(&self) -> Weighed {
        self.weighed
    }

    /// Its priority.
    pub fn priority(&self) -> i64 {
        let Configured { base, well, holds, refused, .. } = self.configured;
        let Weighed { well: is_well, holds: has, passes } = self.weighed;
        (base + well * is_well + holds * has + if passes { 0 } else { refused }).clamp(1, 254)
    }

    /// By how much longer one of a lower priority waits.
    fn skew(&self) -> Duration {
        self.configured.advert * (256 - self.priority()) as u32 / 256
    }

    fn patience(&self) -> Duration {
        self.configured.advert * 3 + self.skew()
    }

    fn wait_anew(&mut self, now: Duration) {
        self.down = self.patience();
        self.due = now + self.down;
    }

    /// A file or the check has changed.
    pub fn weighs(&mut self, weighed: Weighed) {
        let (before, down) = (self.priority(), self.down);
        self.weighed = weighed;
        if self.priority() == before {
            return;
        }
        self.down = self.patience();
        if !self.holder {
            self.due = (self.due + self.down).saturating_sub(down);
        }
    }

    /// Its time is up.
    pub fn time_is_up(&mut self, now: Duration) -> Vec<Act> {
        if now < self.due {
            return Vec::new();
        }
        self.due = now + self.configured.advert;
        let sends = Act::Sends(self.priority());
        if std::mem::replace(&mut self.holder, true) { vec![sends] } else { vec![Act::Takes, sends] }
    }

    /// An advert is heard.
    pub fn hears(&mut self, now: Duration, from: usize, priority: i64) -> Vec<Act> {
        if self.holder { self.hears_as_holder(now, from, priority) } else { self.hears_as_backup(now, priority) }
    }

    fn hears_as_backup(&mut self, now: Duration, priority: i64) -> Vec<Act> {
        if priority == STOPS {
            self.down = self.skew();
            self.due = now + self.down;
        } else if !self.configured.preempts || priority >= self.priority() {
            self.wait_anew(now);
        } else {
            self.down = self.due.saturating_sub(now);
        }
        Vec::new()
    }

    fn hears_as_holder(&mut self, now: Duration, from: usize, priority: i64) -> Vec<Act> {
        if (priority, from) > (self.priority(), self.number) {
            self.holder = false;
            self.wait_anew(now);
            return vec![Act::Leaves];
        }
        self.due = now + self.configured.advert;
        vec![Act::Sends(self.priority())]
    }

    /// It ends in good order.
    pub fn stops(&self) -> Vec<Act> {
        if self.holder { vec![Act::Sends(STOPS), Act::Leaves] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADVERT: Duration = Duration::from_millis(200);

    fn one(base: i64, number: usize) -> Keepalived {
        let configured = Configured {
            base,
            well: 102,
            holds: 51,
            refused: -102,
            every: Duration::from_secs(1),
            advert: ADVERT,
            preempts: true,
        };
        let mut one = Keepalived::new(configured, number, 0, 0, Duration::ZERO);
        one.weighs(Weighed { passes: true, ..one.weighed() });
        one
    }

    #[test]
    fn a_backup_waits_three_adverts_and_the_longer_the_lower_it_is() {
        let (mut low, mut high) = (one(10, 0), one(60, 2));
        assert_eq!(high.due, ADVERT * 3 + ADVERT * 196 / 256);
        assert!(low.due > high.due);
        assert!(high.time_is_up(high.due.saturating_sub(Duration::from_nanos(1))).is_empty());
        assert_eq!(high.time_is_up(high.due), [Act::Takes, Act::Sends(60)]);
        let due = low.due;
        low.hears(Duration::from_millis(700), 2, 60);
        assert_eq!(low.due, due + Duration::from_millis(700), "a holder that is heard");
        low.hears(Duration::from_millis(800), 2, STOPS);
        assert_eq!(low.due, Duration::from_millis(800) + low.skew(), "a holder that says it stops");
    }

    #[test]
    fn one_that_is_higher_lets_its_patience_run_out_and_the_holder_leaves_when_it_hears_it() {
        let (mut holder, mut other) = (one(10, 0), one(60, 2));
        let mut now = holder.due;
        holder.time_is_up(now);
        let due = other.due;
        now += Duration::from_millis(1);
        other.hears(now, 0, holder.priority());
        assert_eq!(other.due, due, "a lower one is not heard");
        assert_eq!(holder.hears(now, 2, 60), [Act::Leaves]);
        assert_eq!(holder.due, now + holder.patience());
    }

    #[test]
    fn what_is_weighed_counts_at_once_and_a_refused_word_takes_what_it_gave() {
        let mut one = one(35, 1);
        let due = one.due;
        one.weighs(Weighed { well: 1, ..one.weighed() });
        assert_eq!((one.priority(), one.due), (137, due.saturating_sub(ADVERT * 102 / 256)));
        one.weighs(Weighed { passes: false, ..one.weighed() });
        assert_eq!((one.priority(), one.due), (35, due));
        one.weighs(Weighed { well: 0, ..one.weighed() });
        assert_eq!(one.priority(), 1);
    }
}
