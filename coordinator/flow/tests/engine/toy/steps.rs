//! The steps of the toy world, the sound ones and the planted bugs.

use std::sync::Arc;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_flow::{Policy, Step, StepCx, StepError};
use slipway_types::{NodeName, StepId};

use super::Toy;

type Ask = dyn Fn(&StepCx<'_, Toy>) -> Result<bool, StepError> + Send + Sync;
type Act = dyn Fn(&StepCx<'_, Toy>) -> Result<Vec<String>, StepError> + Send + Sync;
type Undo = dyn Fn(&StepCx<'_, Toy>) -> Result<(), StepError> + Send + Sync;

/// A step put together from closures.
#[derive(Clone)]
pub struct ToyStep {
    pub id: String,
    pub node: Option<NodeName>,
    pub policy: Policy,
    pub reads_only: bool,
    /// It acts, and never comes back from its first attempt.
    pub hangs: bool,
    /// Whatever its name ends with is the node that it takes out of service.
    pub disrupts_by_id: bool,
    pub precheck: Arc<Undo>,
    pub satisfied: Arc<Ask>,
    pub act: Arc<Act>,
    pub undo: Arc<Undo>,
}

impl ToyStep {
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            node: None,
            policy: Policy::default(),
            reads_only: false,
            hangs: false,
            disrupts_by_id: false,
            precheck: Arc::new(|_| Ok(())),
            satisfied: Arc::new(|_| Ok(false)),
            act: Arc::new(|_| Ok(Vec::new())),
            undo: Arc::new(|_| Ok(())),
        }
    }

    /// Only looks.
    pub fn look() -> Self {
        Self { reads_only: true, satisfied: Arc::new(|_| Ok(true)), ..Self::new("look") }
    }

    /// A conditional write: it names its owner, and undoes only what is its own.
    pub fn cordon(node: &NodeName) -> Self {
        let (a, b, c, d) = (node.to_string(), node.to_string(), node.to_string(), node.to_string());
        Self {
            node: Some(node.clone()),
            precheck: Arc::new(move |cx| match cx.world.lock().cordons.get(&d) {
                Some(owner) if *owner != cx.run.0 => {
                    Err(StepError::Veto(Coded::new(Code::NODE_FOREIGN_CORDON, format!("{owner} cordoned it"))))
                }
                _ => Ok(()),
            }),
            satisfied: Arc::new(move |cx| Ok(cx.world.lock().cordons.get(&a) == Some(&cx.run.0))),
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.admit(&cx.fence)?;
                if state.cordons.insert(b.clone(), cx.run.0.clone()).is_none() {
                    state.count(format!("cordon {b}"));
                }
                Ok(vec![format!("cordoned {b}")])
            }),
            undo: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.admit(&cx.fence)?;
                if state.cordons.get(&c) == Some(&cx.run.0) {
                    state.cordons.remove(&c);
                    state.count(format!("uncordon {c}"));
                }
                Ok(())
            }),
            ..Self::new(format!("cordon-{node}"))
        }
    }

    /// Works through operations, as an agent does: the same id again attaches.
    pub fn reset(node: &NodeName) -> Self {
        let (a, b) = (node.to_string(), node.to_string());
        Self {
            node: Some(node.clone()),
            satisfied: Arc::new(move |cx| Ok(cx.world.lock().reset.contains(&a))),
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.admit(&cx.fence)?;
                if state.operations.insert(cx.operation_id().0) {
                    state.reset.insert(b.clone());
                    state.count(format!("reset {b}"));
                }
                Ok(vec![format!("reset {b}")])
            }),
            ..Self::new(format!("reset-{node}"))
        }
    }

    /// The planted bug: it does its work again whenever it is asked.
    pub fn blind_reset(node: &NodeName) -> Self {
        let name = node.to_string();
        Self {
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.admit(&cx.fence)?;
                state.reset.insert(name.clone());
                state.count(format!("reset {name}"));
                Ok(Vec::new())
            }),
            ..Self::reset(node)
        }
    }

    /// The planted bug: it asks nobody's leave, so an old leader's late command is obeyed.
    pub fn unfenced_reset(node: &NodeName) -> Self {
        let name = node.to_string();
        Self {
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                if state.operations.insert(cx.operation_id().0) {
                    state.reset.insert(name.clone());
                    state.count(format!("reset {name}"));
                }
                Ok(Vec::new())
            }),
            ..Self::reset(node)
        }
    }

    /// The planted bug: its undo forgets to undo.
    pub fn sticky_cordon(node: &NodeName) -> Self {
        Self { undo: Arc::new(|_| Ok(())), ..Self::cordon(node) }
    }

    /// The planted bug: its undo does not accept that it never happened, or happened already.
    pub fn proud_cordon(node: &NodeName) -> Self {
        let name = node.to_string();
        Self {
            undo: Arc::new(move |cx| match cx.world.lock().cordons.remove(&name) {
                Some(_) => Ok(()),
                None => Err(StepError::Failed(Coded::new(Code::INTERNAL, "nothing to undo"))),
            }),
            ..Self::cordon(node)
        }
    }

    /// The node's end.
    pub fn leave(node: &NodeName) -> Self {
        let (a, b) = (node.to_string(), node.to_string());
        Self {
            node: Some(node.clone()),
            satisfied: Arc::new(move |cx| Ok(!cx.world.lock().joined.contains(&a))),
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.admit(&cx.fence)?;
                state.cordons.remove(&b);
                if state.joined.remove(&b) {
                    state.count(format!("delete {b}"));
                }
                Ok(Vec::new())
            }),
            ..Self::new(format!("leave-{node}"))
        }
    }
}

#[async_trait]
impl Step<Toy> for ToyStep {
    fn id(&self) -> StepId {
        StepId(self.id.clone())
    }

    fn summary(&self) -> String {
        self.id.replace('-', " ")
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("toyctl {}", self.summary())]
    }

    fn node(&self) -> Option<NodeName> {
        self.node.clone()
    }

    fn disrupts(&self) -> Option<NodeName> {
        if self.disrupts_by_id {
            return self.id.split('-').nth(1).map(super::node);
        }
        self.node.clone().filter(|_| self.id.starts_with("cordon"))
    }

    fn reads_only(&self) -> bool {
        self.reads_only
    }

    fn policy(&self) -> Policy {
        self.policy.clone()
    }

    async fn precheck(&self, cx: &StepCx<'_, Toy>) -> Result<(), StepError> {
        (self.precheck)(cx)
    }

    async fn satisfied(&self, cx: &StepCx<'_, Toy>) -> Result<bool, StepError> {
        tokio::task::yield_now().await;
        (self.satisfied)(cx)
    }

    async fn act(&self, cx: &StepCx<'_, Toy>) -> Result<Vec<String>, StepError> {
        let record = (self.act)(cx)?;
        if self.hangs && cx.attempt == 1 {
            std::future::pending::<()>().await;
        }
        Ok(record)
    }

    async fn undo(&self, cx: &StepCx<'_, Toy>) -> Result<(), StepError> {
        (self.undo)(cx)
    }
}

impl ToyStep {
    /// Sets a flag in the world, once; its undo takes it back.
    pub fn flag(id: &str) -> Self {
        let flag = |cx: &StepCx<'_, Toy>| cx.step.0.clone();
        Self {
            satisfied: Arc::new(move |cx| Ok(cx.world.lock().reset.contains(&flag(cx)))),
            act: Arc::new(move |cx| {
                let mut state = cx.world.lock();
                state.reset.insert(flag(cx));
                state.count(flag(cx));
                Ok(vec!["set".to_owned()])
            }),
            undo: Arc::new(move |cx| {
                cx.world.lock().reset.remove(&flag(cx));
                Ok(())
            }),
            ..Self::new(id)
        }
    }

    /// As [`ToyStep::flag`], but whatever is asked of it is answered with `error` as long as `while_true` says so.
    pub fn troubled(id: &str, error: StepError, while_true: impl Fn(&Toy) -> bool + Send + Sync + 'static) -> Self {
        let step = Self::flag(id);
        let act = step.act.clone();
        Self { act: Arc::new(move |cx| if while_true(cx.world) { Err(error.clone()) } else { act(cx) }), ..step }
    }
}
