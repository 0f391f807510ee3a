//! What silence means: a stream that was closed is noticed at once and is a suspicion, for a process may be on its way back; one that cannot be opened
//! again is a fact; mere silence is a suspicion after two beats and a fact after the limit. Deciding alone, no clock.

use std::time::Duration;

/// What came of the last attempts to hear a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Line {
    /// The stream is open, or was never opened.
    #[default]
    Open,
    /// It ended, and it is not known why.
    Closed,
    /// It could not be opened.
    Gone,
}

/// Whether a host's agent is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hearing {
    /// It is heard.
    Heard,
    /// It may be gone.
    Suspect,
    /// It is gone, or cannot be reached.
    Down,
}

/// Beats that may be missed before it is suspected.
const BEATS: u32 = 2;

impl Hearing {
    /// From how long ago the last beat was, how the line is, and what is agreed on: a beat each `interval`, down after `limit`.
    pub fn judge(silence: Duration, line: Line, (interval, limit): (Duration, Duration)) -> Self {
        match line {
            Line::Gone => Self::Down,
            _ if silence > limit => Self::Down,
            Line::Closed => Self::Suspect,
            Line::Open if silence > interval * BEATS => Self::Suspect,
            Line::Open => Self::Heard,
        }
    }

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heard => "heard",
            Self::Suspect => "suspect",
            Self::Down => "down",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_a_suspicion_first_and_a_closed_connection_is_one_at_once() {
        let agreed = (Duration::from_secs(1), Duration::from_secs(4));
        let judged = |ms, line| Hearing::judge(Duration::from_millis(ms), line, agreed);
        assert_eq!(judged(1_900, Line::Open), Hearing::Heard);
        assert_eq!(judged(2_100, Line::Open), Hearing::Suspect);
        assert_eq!(judged(4_100, Line::Open), Hearing::Down);
        assert_eq!(judged(10, Line::Closed), Hearing::Suspect);
        assert_eq!(judged(4_100, Line::Closed), Hearing::Down);
        assert_eq!(judged(250, Line::Gone), Hearing::Down, "it was not there to be asked");
    }
}
