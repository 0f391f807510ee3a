//! The store in memory: the same rules as on disk, for tests, demos and simulation. It lives as long as somebody holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use slipway_events::Entry;
use slipway_flow::journal::{link, verify};
use slipway_flow::{Journal, JournalError, Line, RunHead};
use slipway_types::{Fence, Lineage, RunId, Term};

use crate::leader::Seat;
use crate::limits::{check_key, check_lines, check_value};
use crate::watchers::Watchers;
use crate::{Attendant, Candidate, Change, Error, HighWater, Leadership, MOST_LISTED, Record, Store, Watch};

/// A store in memory.
#[derive(Debug)]
pub struct Memory {
    state: Mutex<State>,
    seat: Seat,
    watchers: Watchers,
}

#[derive(Debug)]
struct State {
    leader: HighWater,
    revision: u64,
    records: BTreeMap<String, Record>,
    runs: BTreeMap<RunId, Vec<Entry>>,
    attendants: BTreeMap<String, Attendant>,
}

impl Memory {
    /// An empty store of that lineage.
    pub fn new(lineage: Lineage) -> Arc<Self> {
        let leader = HighWater { lineage, term: Term(0), holder: String::new() };
        let state =
            State { leader, revision: 0, records: BTreeMap::new(), runs: BTreeMap::new(), attendants: BTreeMap::new() };
        Arc::new(Self { state: Mutex::new(state), seat: Seat::default(), watchers: Watchers::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heads(&self) -> Vec<RunHead> {
        let state = self.lock();
        let head =
            |entries: &Vec<Entry>| Some(RunHead { first: entries.first()?.clone(), last: entries.last()?.clone() });
        let mut heads: Vec<RunHead> = state.runs.values().filter_map(head).collect();
        heads.sort_by(|a, b| (a.first.at_ms, &a.first.run).cmp(&(b.first.at_ms, &b.first.run)));
        heads
    }
}

impl State {
    fn put(&mut self, key: &str, value: Vec<u8>) -> Record {
        self.revision += 1;
        let record = Record { key: key.to_owned(), value, version: self.revision };
        self.records.insert(key.to_owned(), record.clone());
        record
    }

    fn expect(&self, key: &str, expected: u64) -> Result<(), Error> {
        match self.records.get(key).map(|record| record.version) {
            Some(version) if version == expected => Ok(()),
            found => Err(changed_meanwhile(key, expected, found)),
        }
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &str) -> Result<Option<Record>, Error> {
        Ok(self.lock().records.get(key).cloned())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        let state = self.lock();
        let from = state.records.range(prefix.to_owned()..);
        Ok(from
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(MOST_LISTED)
            .map(|(_, record)| record.clone())
            .collect())
    }

    async fn create(&self, key: &str, value: Vec<u8>, fence: &Fence) -> Result<u64, Error> {
        check_key(key)?;
        check_value(&value)?;
        let mut state = self.lock();
        state.leader.admit(fence)?;
        if state.records.contains_key(key) {
            return Err(Error::Conflict(format!("{key} exists already")));
        }
        let record = state.put(key, value);
        self.watchers.tell(&Change::Put(record.clone()));
        Ok(record.version)
    }

    async fn update(&self, key: &str, value: Vec<u8>, expected: u64, fence: &Fence) -> Result<u64, Error> {
        check_value(&value)?;
        let mut state = self.lock();
        state.leader.admit(fence)?;
        state.expect(key, expected)?;
        let record = state.put(key, value);
        self.watchers.tell(&Change::Put(record.clone()));
        Ok(record.version)
    }

    async fn delete(&self, key: &str, expected: u64, fence: &Fence) -> Result<(), Error> {
        let mut state = self.lock();
        state.leader.admit(fence)?;
        state.expect(key, expected)?;
        state.revision += 1;
        state.records.remove(key);
        self.watchers.tell(&Change::Deleted { key: key.to_owned() });
        Ok(())
    }

    async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        Ok(self.watchers.add(prefix))
    }

    async fn campaign(&self, candidate: &Candidate) -> Result<Leadership, Error> {
        let mut state = self.lock();
        state.leader = state.leader.next(candidate, None)?;
        Ok(self.seat.taken_by(&state.leader))
    }

    fn attend(&self, who: Attendant) {
        self.lock().attendants.insert(who.coordinator.clone(), who);
    }

    async fn attendants(&self) -> Result<Vec<Attendant>, Error> {
        Ok(self.lock().attendants.values().cloned().collect())
    }

    async fn adopt(&self, entries: Vec<Entry>, fence: &Fence) -> Result<(), Error> {
        let run = whole_run(&entries)?;
        let mut state = self.lock();
        state.leader.admit(fence)?;
        if state.runs.contains_key(&run) {
            return Err(Error::Conflict(format!("run {run} exists already")));
        }
        state.runs.insert(run, entries);
        Ok(())
    }

    async fn clear(&self, fence: &Fence) -> Result<(), Error> {
        let mut state = self.lock();
        state.leader.admit(fence)?;
        state.revision += 1;
        state.runs.clear();
        for key in std::mem::take(&mut state.records).into_keys() {
            self.watchers.tell(&Change::Deleted { key });
        }
        Ok(())
    }

    async fn confirm(&self, fence: &Fence) -> Result<(), Error> {
        self.lock().leader.admit(fence)
    }

    async fn high_water(&self) -> Result<HighWater, Error> {
        Ok(self.lock().leader.clone())
    }
}

#[async_trait]
impl Journal for Memory {
    async fn append(
        &self,
        run: &RunId,
        after: u64,
        lines: Vec<Line>,
        fence: &Fence,
    ) -> Result<Vec<Entry>, JournalError> {
        check_lines(&lines)?;
        let mut state = self.lock();
        state.leader.admit(fence)?;
        let found = state.runs.get(run).map_or(0, |entries| entries.len() as u64);
        if found != after {
            return Err(out_of_order(run, after, found).into());
        }
        let entries = state.runs.entry(run.clone()).or_default();
        let linked = link(run, entries.last(), lines, fence);
        entries.extend(linked.iter().cloned());
        Ok(linked)
    }

    async fn journal(&self, run: &RunId, from: u64, limit: usize) -> Result<Vec<Entry>, JournalError> {
        let state = self.lock();
        let entries = state.runs.get(run).map(Vec::as_slice).unwrap_or_default();
        Ok(entries.iter().skip(from.saturating_sub(1) as usize).take(limit).cloned().collect())
    }

    async fn runs(&self, limit: usize) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads().into_iter().rev().take(limit).collect())
    }

    async fn open_runs(&self) -> Result<Vec<RunHead>, JournalError> {
        Ok(self.heads().into_iter().filter(|head| !head.ended()).collect())
    }
}

pub(crate) fn changed_meanwhile(key: &str, expected: u64, found: Option<u64>) -> Error {
    let found = found.map_or("it is gone".to_owned(), |found| format!("it has version {found}"));
    Error::Conflict(format!("{key} should have version {expected}; {found}"))
}

pub(crate) fn out_of_order(run: &RunId, after: u64, found: u64) -> Error {
    Error::Conflict(format!("run {run} should have {after} entries; it has {found}"))
}

/// The run of these entries, which have to be all of them from the first on, unbroken.
pub(crate) fn whole_run(entries: &[Entry]) -> Result<RunId, Error> {
    let first = entries.first().ok_or_else(|| Error::Refused("a run has at least one entry".to_owned()))?;
    verify(&first.run, None, entries).map_err(|broken| Error::Corrupt(broken.to_string()))?;
    Ok(first.run.clone())
}
