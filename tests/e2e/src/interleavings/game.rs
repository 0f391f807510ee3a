//! One interleaving: the world, the operators' wishes, coordinators that come and go, troubles that come and pass, and a judge who looks after
//! every event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use slipway_cluster::fake::FakeApiServer;
use slipway_errors::Coded;
use slipway_events::{Actor, RunState};
use slipway_flow::{Book, Command, Request};
use slipway_host::fake::SharedEtcd;
use slipway_store::Store;
use slipway_types::{Clock, IdGen, RunId};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::chance::Chance;
use super::coordinators::{Lead, lead};
use super::invariants::Known;
use super::judge::Judge;
use super::notes::Notes;
use super::planted::Planted;
use super::scene::Scene;
use super::troubles::{Passing, heal, silence, strike};
use super::turns::Turns;
use super::wishes::{Stand, Wish, wishes};
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
const TROUBLED: u64 = 260;
/// Turns after which an interleaving ends in any case.
const LONGEST: u64 = 1_100;
/// Naps in a row after which everything is at rest.
const ENOUGH_NAPS: u32 = 6;
/// Of a thousand turns, so many bring trouble.
const TROUBLE: usize = 9;
/// Of a thousand turns, so many kill the coordinator.
const CRASH: usize = 4;
/// Of a thousand turns, in so many an operator does something about an open run.
const OPERATOR: usize = 8;

/// Turns for which a host stays off that an operator gives up: often longer than its removal takes, and sometimes not.
const OFF: u64 = 60;

/// A run that was asked for, and what its asker heard.
type Answer = (String, Result<(), Coded>);

struct Game {
    world: Arc<World>,
    judge: Judge,
    chance: Chance,
    budget: u32,
    lead: Arc<Mutex<Option<Lead>>>,
    holders: u32,
    /// Whoever speaks with the present coordinator; they are cut off with it.
    speaking: JoinSet<()>,
    heard: Arc<Mutex<Vec<Answer>>>,
    passing: Vec<(u64, Passing)>,
    naps: u32,
    turn: u64,
}

/// Plays the interleaving of that seed.
pub async fn play(seed: u64, planted: Planted) -> anyhow::Result<Outcome> {
    let mut chance = Chance::of(seed);
    let turns = Arc::new(Turns::new(chance.branch()));
    let Scene { api, etcd, agents, store, clock, ids, folder } = Scene::build().await?;
    let (agents, notes) = (Arc::new(Mutex::new(agents)), Arc::new(Notes::default()));
    let world = Arc::new(World { api, etcd, agents, store, clock, ids, folder, turns, notes, planted });
    let budget = 1 + chance.below(3) as u32;
    let known = Known { wishes: wishes(&mut chance), budget: budget as usize, ..Known::default() };
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
        self.turn > 20 && self.passing.is_empty() && (over || self.naps > ENOUGH_NAPS)
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

    fn leading(&self) -> Option<Lead> {
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
                Err(error) => Stand::Refused(error.to_string()),
            };
            self.world.turns.tell(format!("{run}: {:?}", wish.stand));
        }
    }

    async fn trouble(&mut self) {
        if self.turn < TROUBLED && self.chance.happens(CRASH) {
            self.crash().await;
        }
        let calm = self.turn >= TROUBLED || self.naps > 1;
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
    fn lasting(&mut self, passing: Passing, least: u64) {
        if let Passing::Cordon(name) = &passing {
            let uid = self.world.api.object("nodes", "", name).map(|node| node["metadata"]["uid"].clone());
            let uid = uid.and_then(|uid| uid.as_str().map(str::to_owned)).unwrap_or_default();
            self.judge.known.foreign.insert(name.clone(), uid);
        }
        self.passing.retain(|(_, other)| *other != passing);
        self.passing.push((self.turn + least + self.chance.below(120) as u64, passing));
    }

    async fn operators(&mut self) {
        let Some(lead) = self.leading() else { return };
        let idle = self.naps > 0;
        self.clean_returned_hosts();
        if self.chance.happens(40) || idle {
            self.ask(&lead);
        }
        if self.turn.is_multiple_of(16) || idle {
            self.look_at_runs().await;
        }
        if self.chance.happens(OPERATOR) || idle {
            self.steer(&lead);
        }
    }

    /// What the reconciler does: a host that was taken out while it was silent is cleaned when it is heard again.
    fn clean_returned_hosts(&mut self) {
        let known = &mut self.judge.known;
        let returned = known.wishes.iter().filter(|wish| {
            let left = wish.flow == "scale-in-unreachable" && wish.stand == Stand::Over(RunState::Completed);
            left && !wish.cleaned && !self.judge.sight.silent.contains(&wish.nodes[0])
        });
        let nodes: Vec<String> = returned.map(|wish| wish.nodes[0].clone()).collect();
        for node in nodes {
            let about = known.wishes.iter_mut().filter(|wish| wish.flow == "scale-in-unreachable");
            about.filter(|wish| wish.nodes[0] == node).for_each(|wish| wish.cleaned = true);
            let run = format!("r{}-clean-host", known.wishes.len() + 1);
            known.wishes.push(Wish::new(run, "clean-host", &[&node], serde_json::json!({})));
        }
    }

    /// Asks for the next run.
    fn ask(&mut self, lead: &Lead) {
        let Some(wish) = self.judge.known.wishes.iter_mut().find(|wish| wish.stand == Stand::Waiting) else { return };
        wish.stand = Stand::Asked;
        self.world.tell(format!("an operator wants {} {}", wish.run, wish.params));
        let silenced = (wish.flow == "scale-in-unreachable").then(|| wish.nodes[0].clone());
        let wish = wish.clone();
        if let Some(name) = silenced {
            silence(&self.world, &name, true);
            self.lasting(Passing::Silent(name), OFF);
            self.judge.after_trouble(&self.world);
        }
        let request = Request {
            flow: wish.flow.to_owned(),
            params: wish.params.clone(),
            actor: Actor("operator/chance".to_owned()),
            approved: true,
            expect_fingerprint: None,
        };
        for node in &wish.nodes {
            let uid = self.judge.sight.nodes.get(node).map(|node| node.uid.clone());
            if let Some(wish) = self.judge.known.wishes.iter_mut().find(|one| one.run == wish.run) {
                wish.uids.extend(uid);
            }
        }
        let (runner, heard, run) = (lead.runner.clone(), self.heard.clone(), wish.run);
        self.speaking.spawn(async move {
            let answer = runner.start(RunId(run.clone()), request).await.map(|_| ());
            heard.lock().unwrap_or_else(PoisonError::into_inner).push((run, answer));
        });
    }

    /// What the store says of the runs that are open.
    async fn look_at_runs(&mut self) {
        for wish in self.judge.known.wishes.iter_mut().filter(|wish| wish.stand == Stand::Open) {
            let run = RunId(wish.run.clone());
            let entries = self.world.store.journal(&run, 1, usize::MAX).await.unwrap_or_default();
            if entries.is_empty() {
                wish.stand = Stand::Refused("its asker never heard".to_owned());
                continue;
            }
            let state = Book::fold(run, &entries).state;
            if state.is_final() {
                wish.stand = Stand::Over(state);
            }
        }
    }

    /// An operator does something about an open run: what stands still is resumed more often than not.
    fn steer(&mut self, lead: &Lead) {
        let open: Vec<(RunId, RunState)> =
            lead.runner.open_runs().into_iter().map(|book| (book.run, book.state)).collect();
        let Some((run, state)) = self.chance.pick(&open).cloned() else { return };
        let troubled = self.turn < TROUBLED;
        let command = match (state, self.chance.below(10)) {
            (RunState::Paused, 0..8) => Command::Resume,
            (RunState::Paused, _) => Command::Abort,
            (RunState::Running, 0..3) if troubled => Command::Abort,
            (RunState::Running, 3..6) if troubled => Command::Pause,
            _ => return,
        };
        self.world.tell(format!("an operator says {} to {run}", command.as_str()));
        self.world.notes.count(command.as_str());
        let runner = lead.runner.clone();
        self.speaking.spawn(async move {
            // A refusal is an answer, too.
            let _ = runner.command(&run, command, Actor("operator/chance".to_owned())).await;
        });
    }
}
