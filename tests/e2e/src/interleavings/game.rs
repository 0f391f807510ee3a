//! One interleaving: the world, the operators' wishes, coordinators that come and go, troubles that come and pass, and a judge who looks after
//! every event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_cluster::fake::FakeApiServer;
use slipway_errors::Coded;
use slipway_host::fake::SharedEtcd;
use slipway_store::Store;
use slipway_types::{Clock, IdGen};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::coordinators::{Lead, lead};
use super::invariants::Known;
use super::judge::Judge;
use super::menu::wishes;
use super::notes::Notes;
use super::planted::Planted;
use super::scene::{Era, Scene};
use super::troubles::{Passing, heal, strike};
use super::turns::Turns;
use super::wishes::Stand;
use crate::local_agents::LocalAgents;

/// What everybody in an interleaving shares.
pub struct World {
    /// The cluster.
    pub api: FakeApiServer,
    /// The etcd of the masters.
    pub etcd: SharedEtcd,
    /// The hosts with their agents.
    pub agents: Arc<Mutex<LocalAgents>>,
    /// What coordinators keep.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids.
    pub ids: Arc<dyn IdGen>,
    /// Where agents keep their state.
    pub folder: TempDir,
    /// Where everybody waits.
    pub turns: Arc<Turns>,
    /// What the wrappers saw.
    pub notes: Arc<Notes>,
    /// The fault of this interleaving.
    pub planted: Planted,
}

impl World {
    /// Writes a line into the story.
    pub fn tell(&self, what: String) {
        self.turns.tell(what);
    }
}

/// An invariant that was broken.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Its name.
    pub invariant: &'static str,
    /// How.
    pub how: String,
    /// The end of the story.
    pub story: Vec<String>,
}

/// What came of an interleaving.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What was broken, if anything was.
    pub broken: Option<Broken>,
    /// How often each thing happened that a set of interleavings has to show.
    pub counts: BTreeMap<String, usize>,
    /// How many lines the story had.
    pub events: u64,
    /// A hash of the whole story: the same seed has the same.
    pub hash: u64,
    /// The story, to the end.
    pub story: Vec<String>,
}

/// Between two turns.
const TURN: Duration = Duration::from_millis(1);
/// The most that is waited for while nobody wants a turn.
const NAP: Duration = Duration::from_millis(700);
/// Turns after which no more trouble comes.
pub(super) const TROUBLED: u64 = 400;
/// Turns after which an interleaving ends in any case.
const LONGEST: u64 = 1_600;
/// Naps in a row after which everything is at rest.
const ENOUGH_NAPS: u32 = 6;
/// Of a thousand turns, so many bring trouble.
const TROUBLE: usize = 9;
/// Of a thousand turns, so many kill the coordinator.
const CRASH: usize = 4;
/// A run that was asked for, and what its asker heard.
pub(super) type Answer = (String, Result<(), Coded>);

/// What one interleaving is made of.
pub(super) struct Game {
    pub(super) world: Arc<World>,
    pub(super) judge: Judge,
    pub(super) chance: Chance,
    budget: u32,
    lead: Arc<Mutex<Option<Lead>>>,
    holders: u32,
    /// Whoever speaks with the present coordinator; they are cut off with it.
    pub(super) speaking: JoinSet<()>,
    pub(super) heard: Arc<Mutex<Vec<Answer>>>,
    passing: Vec<(u64, Passing)>,
    naps: u32,
    pub(super) turn: u64,
}

/// Plays the interleaving of that seed.
pub async fn play(seed: u64, planted: Planted) -> anyhow::Result<Outcome> {
    let mut chance = Chance::of(seed);
    let era = Era::draw(&mut chance);
    let turns = Arc::new(Turns::new(chance.branch()));
    let Scene { api, etcd, agents, store, clock, ids, folder } = Scene::build(era).await?;
    let (agents, notes) = (Arc::new(Mutex::new(agents)), Arc::new(Notes::default()));
    let world = Arc::new(World { api, etcd, agents, store, clock, ids, folder, turns, notes, planted });
    let budget = 1 + chance.below(3) as u32;
    let known = Known { wishes: wishes(&mut chance, era), budget: budget as usize, ..Known::default() };
    let mut game = Game {
        judge: Judge::new(&world, known),
        world,
        chance,
        budget,
        lead: Arc::default(),
        holders: 0,
        speaking: JoinSet::new(),
        heard: Arc::default(),
        passing: Vec::new(),
        naps: 0,
        turn: 0,
    };
    let broken = game.finish().await.err();
    Ok(game.outcome(broken))
}

impl Game {
    async fn finish(&mut self) -> Result<(), (&'static str, String)> {
        self.launch();
        while self.turn < LONGEST && !self.is_at_rest() {
            self.turn += 1;
            // Time goes on only when everybody who can go on has come to the turnstile.
            tokio::time::sleep(TURN).await;
            self.judge.after_event(&self.world)?;
            self.hear();
            self.trouble().await;
            self.operators().await;
            if self.world.turns.give().is_some() {
                self.naps = 0;
            } else if tokio::time::timeout(NAP, self.world.turns.somebody()).await.is_err() {
                self.naps += 1;
            }
        }
        self.look_at_runs().await;
        if self.is_at_rest() {
            self.world.notes.count("came to rest");
            self.judge.at_rest()?;
        }
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
        let over = self.judge.known.wishes.iter().all(|wish| !wish.is_open() && wish.stand != Stand::Waiting);
        self.turn > 20 && self.passing.is_empty() && (over || (self.naps > ENOUGH_NAPS && !self.agents_work()))
    }

    /// An agent is at work: it may be that nobody else has anything to do for a while.
    fn agents_work(&self) -> bool {
        self.judge.sight.hosts.values().any(|host| !host.open.is_empty())
    }

    /// Nobody wants a turn.
    pub(super) fn is_idle(&self) -> bool {
        self.naps > 0 && !self.agents_work()
    }

    fn outcome(&self, broken: Option<(&'static str, String)>) -> Outcome {
        let (story, hash) = self.world.turns.story();
        let mut counts: BTreeMap<String, usize> =
            self.world.notes.kept().counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
        for wish in &self.judge.known.wishes {
            let stand = match &wish.stand {
                Stand::Over(state) => state.as_str(),
                Stand::Refused(_) => "refused",
                Stand::Waiting => "never asked",
                Stand::Asked | Stand::Open => "open",
            };
            *counts.entry(format!("{} {stand}", wish.flow)).or_default() += 1;
        }
        let broken = broken.map(|(invariant, how)| Broken { invariant, how, story: story.clone() });
        Outcome { broken, counts, events: self.world.turns.told(), hash, story }
    }

    /// Starts a coordinator, which takes the leadership.
    fn launch(&mut self) {
        self.holders += 1;
        let (world, slot, holder, budget) =
            (self.world.clone(), self.lead.clone(), format!("c1/{}", self.holders), self.budget);
        self.speaking.spawn(async move {
            match lead(world.clone(), holder, budget).await {
                Ok(lead) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(lead),
                Err(error) => world.tell(format!("the coordinator does not lead: {error}")),
            }
        });
    }

    pub(super) fn leading(&self) -> Option<Lead> {
        self.lead.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The coordinator's process dies; the next one is started.
    async fn crash(&mut self) {
        self.world.tell("!! the coordinator dies".to_owned());
        self.world.notes.count("crashes");
        self.speaking.shutdown().await;
        let lead = self.lead.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(lead) = lead {
            lead.runner.stop().await;
        }
        self.hear();
        for wish in self.judge.known.wishes.iter_mut().filter(|wish| wish.stand == Stand::Asked) {
            // Its asker heard nothing; if the run is in the journal it goes on.
            wish.stand = Stand::Open;
        }
        self.launch();
    }

    /// What became of the requests for runs.
    fn hear(&mut self) {
        for (run, answer) in self.heard.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let Some(wish) = self.judge.known.wishes.iter_mut().find(|wish| wish.run == run) else { continue };
            wish.stand = match answer {
                Ok(()) => Stand::Open,
                Err(error) if wish.asks_again(&error) => Stand::Waiting,
                Err(error) => Stand::Refused(error.to_string()),
            };
            self.world.turns.tell(format!("{run}: {:?}", wish.stand));
        }
    }

    async fn trouble(&mut self) {
        if self.turn < TROUBLED && self.chance.happens(CRASH) {
            self.crash().await;
        }
        let calm = self.turn >= TROUBLED || (self.naps > 1 && !self.agents_work());
        let now = self.turn;
        let over: Vec<Passing> =
            self.passing.extract_if(.., |(until, _)| *until <= now || calm).map(|(_, passing)| passing).collect();
        let mut changed = !over.is_empty();
        for passing in over {
            if let Passing::Cordon(name) = &passing {
                self.judge.known.foreign.remove(name);
            }
            heal(&self.world, &passing);
        }
        if self.turn < TROUBLED && self.chance.happens(TROUBLE) {
            changed = true;
            if let Some(passing) = strike(&self.world, &mut self.chance).await {
                self.passed_until(passing);
            }
        }
        if changed {
            self.judge.after_trouble(&self.world);
        }
    }

    fn passed_until(&mut self, passing: Passing) {
        self.lasting(passing, 10);
    }

    /// It passes after so many turns, or a while later.
    pub(super) fn lasting(&mut self, passing: Passing, least: u64) {
        if let Passing::Cordon(name) = &passing {
            let uid = self.world.api.object("nodes", "", name).map(|node| node["metadata"]["uid"].clone());
            let uid = uid.and_then(|uid| uid.as_str().map(str::to_owned)).unwrap_or_default();
            self.judge.known.foreign.insert(name.clone(), uid);
        }
        self.passing.retain(|(_, other)| *other != passing);
        self.passing.push((self.turn + least + self.chance.below(120) as u64, passing));
    }
}
