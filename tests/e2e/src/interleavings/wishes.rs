//! What operators ask for in one interleaving: a few runs, of whatever nodes chance picks, so that two of them often want the same one.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway_events::RunState;

use super::chance::Chance;
use super::scene::{MASTERS, WORKERS};

/// Where a wish stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// It comes later.
    Waiting,
    /// A coordinator was asked.
    Asked,
    /// It was refused, or its asker never heard.
    Refused(String),
    /// Its run is open.
    Open,
    /// Its run has ended.
    Over(RunState),
}

/// Something that an operator wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The run's id.
    pub run: String,
    /// The flow.
    pub flow: &'static str,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Its parameters.
    pub params: Value,
    /// Where it stands.
    pub stand: Stand,
    /// Somebody has seen to it that its host, which is back, is cleaned.
    pub cleaned: bool,
    /// Node objects of its nodes that it may have been planned on.
    pub uids: BTreeSet<String>,
}

impl Wish {
    /// A wish for a flow, which becomes the run `run`.
    pub fn new(run: String, flow: &'static str, nodes: &[&str], more: Value) -> Self {
        let mut params = json!({"nodes": nodes, "actor": "operator/chance"});
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
        Self { run, flow, nodes, params, stand: Stand::Waiting, cleaned: false, uids: BTreeSet::new() }
    }

    /// Takes its nodes out of service, which costs the budget.
    pub fn disrupts(&self) -> bool {
        ["scale-in", "scale-in-unreachable", "drain"].contains(&self.flow)
    }

    /// Its nodes leave the cluster.
    pub fn removes(&self) -> bool {
        self.flow.starts_with("scale-in")
    }

    /// Somebody has said that its host is off.
    pub fn is_fenced(&self) -> bool {
        self.params["fenced"].is_string()
    }

    /// A word that the operator gave.
    pub fn said(&self, word: &str) -> bool {
        self.params[word] == true
    }

    /// It may still do something.
    pub const fn is_open(&self) -> bool {
        matches!(self.stand, Stand::Asked | Stand::Open)
    }
}

/// The wishes of one interleaving.
pub fn wishes(chance: &mut Chance) -> Vec<Wish> {
    let count = 2 + chance.below(2);
    (1..=count).map(|number| wish(chance, number)).collect()
}

fn wish(chance: &mut Chance, number: usize) -> Wish {
    // A few workers alone, so that wishes meet.
    let worker = |chance: &mut Chance| WORKERS[chance.below(5)];
    let run = |flow: &str| format!("r{number}-{flow}");
    let drains = json!({"delete_emptydir_data": true, "force": true});
    match chance.below(100) {
        0..30 => Wish::new(run("scale-in"), "scale-in", &[worker(chance)], drains),
        30..42 => {
            let (first, second) = (worker(chance), WORKERS[5 + chance.below(5)]);
            let mut more = drains;
            more["accept_pending_pods"] = true.into();
            if chance.happens(500) {
                more["budget"] = 2.into();
            }
            Wish::new(run("scale-in"), "scale-in", &[first, second], more)
        }
        42..60 => {
            let mut more = drains;
            more["accept_less_tolerance"] = chance.happens(850).into();
            more["leave_one_etcd_member"] = chance.happens(250).into();
            Wish::new(run("scale-in"), "scale-in", &[MASTERS[chance.below(3)]], more)
        }
        60..72 => drain(chance, run("drain"), drains),
        72..80 => Wish::new(run("isolate"), "isolate", &[any(chance)], json!({})),
        80..88 => Wish::new(run("recover"), "recover", &[any(chance)], json!({})),
        _ => {
            let node = any(chance);
            let mut more = json!({"accept_less_tolerance": chance.happens(500)});
            if chance.happens(600) {
                more["fenced"] = format!("{node} is powered off").into();
            }
            Wish::new(run("scale-in-unreachable"), "scale-in-unreachable", &[node], more)
        }
    }
}

fn drain(chance: &mut Chance, run: String, mut more: Value) -> Wish {
    if chance.happens(300) {
        let at = chance.below(3);
        more["budget"] = 2.into();
        return Wish::new(run, "drain", &[MASTERS[at], MASTERS[(at + 1) % 3]], more);
    }
    Wish::new(run, "drain", &[any(chance)], more)
}

fn any(chance: &mut Chance) -> &'static str {
    if chance.happens(250) { MASTERS[chance.below(3)] } else { WORKERS[chance.below(5)] }
}
