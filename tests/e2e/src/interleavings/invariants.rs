//! What must hold at every event. One small file for each invariant of the list in the reliability page, judged by what can be seen of the world
//! from outside; and what became of the operators' wishes, which only the test knows, where an invariant speaks of their word.

mod cordons;
mod credentials;
mod evictions;
mod identity;
mod masters;
mod once;
mod quorum;
mod skew;
mod start;
mod tokens;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use super::sight::Sight;
use super::wishes::Wish;

/// One event: how the world was, how it is, and what the test itself knows.
pub struct Event<'a> {
    /// Before it.
    pub before: &'a Sight,
    /// After it.
    pub after: &'a Sight,
    /// What the test knows.
    pub known: &'a Known,
}

/// What the test knows of the world, since it did that itself.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// What operators asked for.
    pub wishes: Vec<Wish>,
    /// Workers that may be out of service at once.
    pub budget: usize,
    /// Nodes that somebody else has cordoned, with the uid that they had.
    pub foreign: BTreeMap<String, String>,
    /// Nodes that are out of service: since which line of the story, and whether a run of ours did it.
    pub out: BTreeMap<String, Out>,
    /// Since which line of the story a node that was out of service is back.
    pub back: BTreeMap<String, u64>,
    /// When the admission began that let a run disrupt a node, by run and node.
    pub admitted: BTreeMap<(String, String), u64>,
    /// Commands that agents took in this event.
    pub taken: Vec<super::notes::Taken>,
    /// Since which line of the story a member of etcd is as it is.
    pub health: BTreeMap<u64, u64>,
    /// The line of the story at which the last look at etcd began.
    pub etcd_asked: u64,
    /// How often an operator has resumed a run.
    pub resumes: u64,
    /// Nodes that a run has deleted.
    pub removed: BTreeSet<String>,
    /// Those among them that a join has brought back.
    pub rejoined: BTreeSet<String>,
}

/// A node that is out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Out {
    /// Since that line.
    pub since: u64,
    /// By a disruptive run.
    pub by_us: bool,
}

impl Known {
    /// The wish that became the run of that id.
    pub fn wish(&self, run: &str) -> Option<&Wish> {
        self.wishes.iter().find(|wish| wish.run == run)
    }

    /// The wish whose operation that is.
    pub fn of_operation(&self, operation: &str) -> Option<&Wish> {
        self.wish(operation.split('/').next().unwrap_or_default())
    }
}

/// One invariant.
pub trait Invariant: Send {
    /// As the reliability page names it.
    fn name(&self) -> &'static str;

    /// Judges one event.
    fn at(&mut self, event: &Event<'_>) -> Result<(), String>;

    /// Judges the world when everything has come to rest.
    fn at_rest(&self, _sight: &Sight, _known: &Known) -> Result<(), String> {
        Ok(())
    }
}

/// All of them.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(masters::OneMasterAtATime),
        Box::new(quorum::EtcdKeepsItsQuorum),
        Box::new(workers::WithinTheBudget),
        Box::new(once::EachEffectOnce),
        Box::new(cordons::OnlyOurOwnCordons),
        Box::new(evictions::NoPodPastItsBudget),
        Box::new(identity::TheMachineOfTheRecord),
        Box::new(credentials::GoneForGood),
        Box::new(tokens::NoSecretOutlivesItsJoin),
        Box::new(skew::ControlPlaneFirst),
    ]
}
