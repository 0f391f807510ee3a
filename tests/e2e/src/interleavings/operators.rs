//! The operators of one interleaving, and the reconciler beside them: they ask for runs, steer those that are open, and hear what became of them.

use std::sync::PoisonError;

use slipway_events::{Actor, RunState};
use slipway_flow::{Book, Command, Request};
use slipway_types::RunId;

use super::coordinators::Lead;
use super::game::{Game, TROUBLED};
use super::troubles::{Passing, silence};
use super::wishes::{Stand, Wish};

/// Of a thousand turns, in so many an operator does something about an open run.
const OPERATOR: usize = 8;
/// Turns for which a host stays off that an operator gives up: often longer than its removal takes, and sometimes not.
const OFF: u64 = 60;

impl Game {
    pub(super) async fn operators(&mut self) {
        let Some(lead) = self.leading() else { return };
        let idle = self.is_idle();
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
        let wishes = &self.judge.known.wishes;
        let over = |run: &String| {
            wishes.iter().any(|wish| wish.run == *run && !wish.is_open() && wish.stand != Stand::Waiting)
        };
        let is_next = |wish: &Wish| wish.stand == Stand::Waiting && wish.after.as_ref().is_none_or(over);
        let Some(at) = wishes.iter().position(is_next) else { return };
        let wish = &mut self.judge.known.wishes[at];
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
    pub(super) async fn look_at_runs(&mut self) {
        for wish in self.judge.known.wishes.iter_mut().filter(|wish| wish.stand == Stand::Open) {
            let run = RunId(wish.run.clone());
            let entries = self.world.store.journal(&run, 1, usize::MAX).await.unwrap_or_default();
            if entries.is_empty() {
                wish.was_lost();
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
