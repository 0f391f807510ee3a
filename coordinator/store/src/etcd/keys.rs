//! Where what lies in etcd. Everything is below one prefix, each kind below a name of its own.

use slipway_types::RunId;

use crate::Error;

/// Who leads.
pub(super) const LEADER: &str = "/slipway/leader";
/// The leader that is at work, for as long as its lease lives.
pub(super) const PRESENCE: &str = "/slipway/presence";
/// The leadership that was given up last, as the record of who leads had it.
pub(super) const RESIGNED: &str = "/slipway/resigned";
/// The latest leadership beside which nobody of an earlier one can be at work, as the record of who leads had it.
pub(super) const SETTLED: &str = "/slipway/settled";
/// Coordinators that are there, each under a lease of its own.
pub(super) const ATTENDANTS: &str = "/slipway/attendants/";
const RECORDS: &str = "/slipway/records/";

/// All that records and runs are kept below.
pub(super) const CONTENTS: [&str; 4] = [RECORDS, "/slipway/heads/", "/slipway/journal/", "/slipway/runs/"];

/// A record.
pub(super) fn record(key: &str) -> String {
    format!("{RECORDS}{key}")
}

/// The key of a record, from where it lies.
pub(super) fn of_record(place: &[u8]) -> Option<String> {
    std::str::from_utf8(place).ok()?.strip_prefix(RECORDS).map(str::to_owned)
}

/// The first key beyond all that begin with `prefix`: no key has a byte of 255.
pub(super) fn beyond(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    end.push(0xff);
    end
}

/// The first and last entry of a run.
pub(super) fn head(run: &RunId) -> String {
    format!("/slipway/heads/{run}")
}

/// What one append added to a run, by the number of its first entry.
pub(super) fn chunk(run: &RunId, first: u64) -> String {
    format!("/slipway/journal/{run}/{first:020}")
}

/// Runs in the order in which they were planned: all, or the open ones.
#[derive(Clone, Copy)]
pub(super) enum Order {
    All,
    Open,
}

impl Order {
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::All => "/slipway/runs/all/",
            Self::Open => "/slipway/runs/open/",
        }
    }

    pub(super) fn key(self, planned_ms: i64, run: &RunId) -> String {
        format!("{}{:020}/{run}", self.prefix(), planned_ms.max(0))
    }

    /// The run that a key of this order is of.
    pub(super) fn run(self, place: &[u8]) -> Option<RunId> {
        let (_, run) = std::str::from_utf8(place).ok()?.strip_prefix(self.prefix())?.split_once('/')?;
        Some(RunId::from(run))
    }
}

/// A run's name is part of keys.
pub(super) fn check_run(run: &RunId) -> Result<(), Error> {
    let name = run.as_str();
    if name.is_empty() || name.len() > 256 || name.contains(['/', '\0']) {
        return Err(Error::Refused(format!("{name:?} is no name of a run")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_as_what_they_were_made_from() {
        let run = RunId::from("r1");
        for order in [Order::All, Order::Open] {
            assert_eq!(order.run(order.key(17, &run).as_bytes()), Some(run.clone()));
            assert!(order.key(9, &run) < order.key(10, &run), "they are not in order");
        }
        assert_eq!(of_record(record("hosts/h1").as_bytes()).as_deref(), Some("hosts/h1"));
        assert!(record("hosts/é").into_bytes() < beyond(&record("hosts/")));
        assert!(check_run(&RunId::from("a/b")).is_err() && check_run(&run).is_ok());
    }
}
