//! What a master tells keepalived of itself, as a pure function of what was seen and when. No coordinator and no other master is asked: the votes
//! are cast through VRRP's priorities, and each master knows only its own.
//!
//! Sick comes by patience: a part that is gone for certain (nobody listens) is believed sooner than one that is slow, or an overloaded API server
//! would pass the address around. Well comes by proof, in the order that operators use by hand: first the kubelet, for a while, and from then on the
//! API server, for a while.

mod streak;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::streak::Streak;

/// What keepalived adds to a master's base. Both follow from how far the bases of the set lie apart, so that every master reckons alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// While it is well: more than a holder has over any other, so that a sick holder is below every well master.
    pub well: u8,
    /// While it holds the address: more than any two bases lie apart, so that it keeps the address from one that is as well as it is.
    pub holds: u8,
}

impl Weights {
    /// For bases that lie so far apart. Saturated, where no priority has room for them: [`crate::settings`] refuses that.
    pub const fn over(spread: u8) -> Self {
        let holds = spread.saturating_add(1);
        Self { well: spread.saturating_add(holds).saturating_add(1), holds }
    }

    /// The priority that keepalived makes of what the guard says; the sum is done by keepalived, from the configuration that [`crate::conf`] writes.
    pub const fn priority(self, base: u8, well: bool, holds: bool) -> u8 {
        let more = base.saturating_add(if well { self.well } else { 0 });
        more.saturating_add(if holds { self.holds } else { 0 })
    }
}

/// A word that is older than this is none: a guard that hangs or is dead says nothing of its master.
pub const EXPIRES: Duration = Duration::from_secs(4);

/// How a part of the master showed itself at one look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It says that it is well.
    Well,
    /// It is there, and is slow or says that it is not well; why.
    Ill(String),
    /// Nobody is there; why.
    Gone(String),
}

/// What was seen at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The kubelet.
    pub kubelet: Look,
    /// The API server of this host.
    pub api_server: Look,
    /// The address is on a link of this host.
    pub holds: bool,
}

/// How long what is seen must last before it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Patience {
    /// With a part where nobody is.
    pub gone_ms: u32,
    /// With one that is slow or says that it is not well.
    pub ill_ms: u32,
    /// With one that is well again.
    pub well_ms: u32,
}

impl Patience {
    /// Longer than a restart of the kubelet takes.
    pub const KUBELET: Self = Self { gone_ms: 4_000, ill_ms: 10_000, well_ms: 5_000 };
    /// Clients are refused from the first moment on, so two looks in a row are enough where nobody listens; and an election of etcd takes seconds.
    pub const API_SERVER: Self = Self { gone_ms: 400, ill_ms: 6_000, well_ms: 5_000 };
}

impl Default for Patience {
    fn default() -> Self {
        Self::KUBELET
    }
}

/// What is told to keepalived, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The master is well.
    pub well: bool,
    /// It holds the address.
    pub holds: bool,
    /// In a sentence.
    pub why: String,
}

/// The guard of one master.
#[derive(Debug, Clone)]
pub struct Guard {
    kubelet: (Patience, Streak),
    api_server: (Patience, Streak),
    well: bool,
    last: Option<Duration>,
}

impl Guard {
    /// One that begins. `was_well`: what another process of it said last, if that has not expired; its restart moves no address.
    pub fn new(kubelet: Patience, api_server: Patience, was_well: bool) -> Self {
        Self {
            kubelet: (kubelet, Streak::default()),
            api_server: (api_server, Streak::default()),
            well: was_well,
            last: None,
        }
    }

    /// Takes in what was seen at `now` (since boot).
    pub fn see(&mut self, now: Duration, sight: &Sight) -> Verdict {
        if self.last.is_some_and(|last| now.saturating_sub(last) > EXPIRES) {
            // keepalived has not believed it meanwhile: it begins from nothing, as after a boot.
            *self = Self::new(self.kubelet.0, self.api_server.0, false);
        }
        self.last = Some(now);
        self.kubelet.1.see(now, &sight.kubelet);
        self.api_server.1.see(now, &sight.api_server);
        let fallen = self.fallen(now, sight);
        let missing = self.missing(now);
        let why = match (self.well, fallen, missing) {
            (true, None, _) => "the kubelet and the API server are well".to_owned(),
            (true, Some(why), _) => {
                self.well = false;
                why
            }
            (false, _, None) => {
                self.well = true;
                "the kubelet and the API server are well again".to_owned()
            }
            (false, _, Some(why)) => why,
        };
        Verdict { well: self.well, holds: sight.holds, why }
    }

    /// Why it is no longer well.
    fn fallen(&self, now: Duration, sight: &Sight) -> Option<String> {
        let parts =
            [("the kubelet", &self.kubelet, &sight.kubelet), ("the API server", &self.api_server, &sight.api_server)];
        parts.into_iter().find_map(|(name, (patience, streak), look)| {
            let (Look::Ill(why) | Look::Gone(why)) = look else { return None };
            streak.is_sick(now, *patience).then(|| format!("{name}: {why}"))
        })
    }

    /// What it lacks to be well again.
    fn missing(&self, now: Duration) -> Option<String> {
        let wait = |name: &str, patience: Patience| {
            Some(format!(
                "{name} has to be well for {} s",
                Duration::from_millis(patience.well_ms.into()).as_secs_f32()
            ))
        };
        let Some(kubelet) = self.kubelet.1.well_at(self.kubelet.0).filter(|at| *at <= now) else {
            return wait("the kubelet", self.kubelet.0);
        };
        let proved = |since: Duration| since.max(kubelet) + Duration::from_millis(self.api_server.0.well_ms.into());
        match self.api_server.1.well_since().map(proved) {
            Some(at) if at <= now => None,
            _ => wait("the API server, after the kubelet,", self.api_server.0),
        }
    }
}

#[cfg(test)]
mod tests;
