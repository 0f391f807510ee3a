//! What operators ask for in one interleaving. Which wishes there are, chance decides (see [`super::menu`]).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use slipway_errors::{Code, Coded};
use slipway_events::RunState;

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
    /// It is asked for when that run is over.
    pub after: Option<String>,
    /// How often it was asked for anew.
    pub again: u32,
}

/// How often somebody asks anew where an answer was lost.
const MOST_AGAIN: u32 = 40;

impl Wish {
    /// A wish for a flow, which becomes the run `run`.
    pub fn new(run: String, flow: &'static str, nodes: &[&str], more: Value) -> Self {
        let mut params = json!({"nodes": nodes, "actor": "operator/chance"});
        if let (Some(params), Value::Object(more)) = (params.as_object_mut(), more) {
            params.extend(more);
        }
        let nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
        Self {
            run,
            flow,
            nodes,
            params,
            stand: Stand::Waiting,
            cleaned: false,
            uids: BTreeSet::new(),
            after: None,
            again: 0,
        }
    }

    /// What was refused because somebody did not answer is asked for again, for to look at many hosts takes many answers; and some of what was
    /// refused because another run has the node.
    pub fn asks_again(&mut self, error: &Coded) -> bool {
        let said = error.to_string();
        let lost = ["SLIP-KUBE-002", "SLIP-WIRE-003"].iter().any(|code| said.contains(code));
        let held = (self.joins() || self.upgrades()) && error.code == Code::RUN_CONFLICT;
        self.again += if held { MOST_AGAIN / 4 } else { 1 };
        (lost || held) && self.again <= MOST_AGAIN
    }

    /// The coordinator that was asked died before it had written anything.
    pub fn was_lost(&mut self) {
        self.again += 1;
        let never = || Stand::Refused("its asker never heard".to_owned());
        self.stand = if self.again > MOST_AGAIN { never() } else { Stand::Waiting };
    }

    /// Takes its nodes out of service, which costs the budget.
    pub fn disrupts(&self) -> bool {
        ["scale-in", "scale-in-unreachable", "drain"].contains(&self.flow) || self.upgrades()
    }

    /// Its nodes go to another version, and serve again when it is over.
    pub fn upgrades(&self) -> bool {
        ["upgrade", "roll-back-worker"].contains(&self.flow)
    }

    /// Its hosts become nodes.
    pub fn joins(&self) -> bool {
        self.flow == "join"
    }

    /// It has that node, and may do something to it.
    pub fn is_about(&self, node: &str) -> bool {
        self.is_open() && self.nodes.iter().any(|name| name == node)
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
