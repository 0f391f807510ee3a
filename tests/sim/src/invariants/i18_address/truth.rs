//! What is certain of a master, from what is true of it and from how long its guard can have seen that, and nothing from what its guard says. Between
//! *steady* (its guard must hold it for well) and *sick* (it must not) lies whatever may be seen either way.

use std::time::Duration;

use slipway_guard::decide::{EXPIRES, Look, Patience};

use super::lasts::Lasts;
use crate::vip::event::Kubelet;
use crate::vip::master::Master;
use crate::vip::segment::Segment;
use slipway_host::Active;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// From one look of a guard at work to the end of the next: a part that does not answer takes up the whole deadline.
const LOOK: Duration = ms(1_600);
/// From the first moment to the end of the look that has it for certain, one that was under way before included; and the write.
pub(super) const SEEN: Duration = ms(2 * 1_600);
/// The check of the last word: once a second, and its time.
pub(super) const CHECKED: Duration = ms(1_100);
/// Longer than looks can lie apart: what is shorter may go unseen.
const UNSEEN: Duration = ms(2_200);
/// The same where the guard may stand still in between.
const UNSEEN_AT_ALL: Duration = ms(6_000);

#[derive(Debug)]
struct Part {
    patience: Patience,
    well: Lasts,
    perhaps_well: Lasts,
    bad: Lasts,
    perhaps_bad: Lasts,
    gone: Lasts,
    perhaps_gone: Lasts,
}

impl Part {
    fn new(patience: Patience) -> Self {
        let (exact, unseen) = (Lasts::default(), Lasts::over(UNSEEN));
        let perhaps_well = Lasts::over(UNSEEN_AT_ALL);
        Self { patience, well: exact, perhaps_well, bad: exact, perhaps_bad: unseen, gone: exact, perhaps_gone: unseen }
    }

    fn see(&mut self, now: Duration, well: bool, gone: bool) {
        self.well.see(now, well);
        self.perhaps_well.see(now, well);
        self.bad.see(now, !well);
        self.perhaps_bad.see(now, !well);
        self.gone.see(now, gone);
        self.perhaps_gone.see(now, gone);
    }

    fn times(&self) -> (Duration, Duration, Duration) {
        let Patience { gone_ms, ill_ms, well_ms } = self.patience;
        (ms(gone_ms.into()), ms(ill_ms.into()), ms(well_ms.into()))
    }

    fn may_be_sick(&self, now: Duration) -> bool {
        let (gone, ill, _) = self.times();
        self.perhaps_gone.for_at_least(now, gone) || self.perhaps_bad.for_at_least(now, ill)
    }

    /// A guard that has looked for that long must have found it sick.
    fn is_sick(&self, now: Duration, looks: Duration) -> bool {
        let (gone, ill, _) = self.times();
        [(&self.gone, gone), (&self.bad, ill)].into_iter().any(|(lasts, patience)| {
            let needed = patience + SEEN + LOOK;
            looks >= needed && lasts.for_at_least(now, needed)
        })
    }
}

/// What is certain of a master.
#[derive(Debug)]
pub(super) struct Truth {
    kubelet: Part,
    api: Part,
    /// keepalived is at work.
    pub(super) able: Lasts,
    /// keepalived stood still, or did a moment ago: it may act on what it has not read yet.
    pub(super) dazed: Lasts,
    /// The address is on a link.
    pub(super) has: Lasts,
    lacks: Lasts,
    looks: Lasts,
    silent: Lasts,
    /// A look was ended for certain not longer ago than [`LOOK`].
    assured: Duration,
    /// Nothing that the guard has seen before counts.
    from: Duration,
    guard: u64,
    /// Its guard holds it for well.
    pub(super) steady: bool,
    /// Nobody may take it for well.
    pub(super) sick: Lasts,
    /// What keepalived has been told of holding the address, where that is certain.
    pub(super) told: Option<bool>,
    /// The guard has seen the address under a keepalived that ran.
    pub(super) own: Option<u64>,
}

impl Truth {
    pub(super) fn new(segment: &Segment) -> Self {
        Self {
            // A bug that is put in changes what the guards go by, and not what is promised.
            kubelet: Part::new(Patience::KUBELET),
            api: Part::new(Patience::API_SERVER),
            able: Lasts::default(),
            dazed: Lasts::over(ms(2_000)),
            has: Lasts::default(),
            lacks: Lasts::default(),
            looks: Lasts::default(),
            silent: Lasts::default(),
            assured: segment.now(),
            from: segment.now(),
            guard: 0,
            steady: false,
            sick: Lasts::default(),
            told: Some(false),
            own: None,
        }
    }

    pub(super) fn see(&mut self, segment: &Segment, number: usize, master: &Master) {
        let now = segment.now();
        let Kubelet { unit, answers } = master.kubelet;
        self.kubelet.see(now, unit == Active::Active && answers, unit != Active::Active);
        let api = segment.api_looks(number);
        self.api.see(now, api == Look::Well, matches!(api, Look::Gone(_)));
        self.able.see(now, master.keepalived.works());
        self.dazed.see(now, master.keepalived.stopped);
        self.has.see(now, master.address);
        self.lacks.see(now, !master.address);
        self.guard_looks(now, master);
        self.holding(now, master);
        self.judge(now, master);
    }

    fn guard_looks(&mut self, now: Duration, master: &Master) {
        let was_silent = self.silent.at(now).unwrap_or_default();
        let (works, life) = (master.guard.works(), master.guard.life);
        if works && (life != self.guard || was_silent > EXPIRES) {
            self.from = now;
        }
        if works {
            self.guard = life;
        }
        self.looks.see(now, works);
        self.silent.see(now, !works);
        if self.looks.for_at_least(now, LOOK) {
            self.assured = now;
        }
    }

    fn holding(&mut self, now: Duration, master: &Master) {
        if !master.up {
            self.told = Some(false);
            return;
        }
        if self.told == Some(!master.address) {
            self.told = None;
        }
        let lasts = |lasts: &Lasts| lasts.for_at_least(now, SEEN) && self.looks.for_at_least(now, SEEN);
        if lasts(&self.has) || lasts(&self.lacks) {
            self.told = Some(master.address);
        }
        if master.keepalived.runs.is_some() {
            self.own = (self.told == Some(true)).then_some(master.guard.life);
        }
    }

    fn judge(&mut self, now: Duration, master: &Master) {
        let proof = self.kubelet.times().2 + self.api.times().2;
        let proved = proof + SEEN;
        let well = |part: &Part| part.well.for_at_least(now, proved);
        let word_ages = now.saturating_sub(self.assured) + LOOK >= EXPIRES;
        if !master.up || word_ages || self.kubelet.may_be_sick(now) || self.api.may_be_sick(now) {
            self.steady = false;
        } else if self.looks.for_at_least(now, proved) && well(&self.kubelet) && well(&self.api) {
            self.steady = true;
        }
        let looks = self.looks.at(now).unwrap_or_default();
        let found = self.kubelet.is_sick(now, looks) || self.api.is_sick(now, looks);
        let expired = self.silent.for_at_least(now, EXPIRES + CHECKED);
        let since = self.kubelet.perhaps_well.at(now).unwrap_or_default().min(now.saturating_sub(self.from));
        let perhaps = since >= proof && self.api.perhaps_well.for_at_least(now, self.api.times().2);
        let was = self.sick.is_so();
        let sick = !master.up || found || expired || (was && (self.silent.is_so() || !perhaps));
        self.sick.see(now, sick);
    }
}
