//! Lets the crash matrix run the coordinator's own flows: it wants a world that counts effects, and the coordinator's world knows of no such
//! thing, nor should it. So the world is wrapped, and flows and steps with it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use slipway_coordinator::world::World;
use slipway_errors::Coded;
use slipway_flow::{
    Admission, AdmissionRequest, Attempt, Flow, Lane, Plan, Policy, Section, Stage, Step, StepCx, StepError,
};
use slipway_types::{NodeName, StepId};

/// A world with what the outside is like.
pub struct Seen<O> {
    /// The coordinator's world.
    pub world: Arc<World>,
    /// What is outside of it.
    pub outside: O,
}

/// A flow of the coordinator on a wrapped world.
pub struct FlowOn(pub Arc<dyn Flow<World>>);

struct StepOn(Arc<dyn Step<World>>);

/// An admission of the coordinator on a wrapped world.
pub struct AdmissionOn<A>(pub A);

#[async_trait]
impl<O: Send + Sync + 'static> Flow<Seen<O>> for FlowOn {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn summary(&self) -> &'static str {
        self.0.summary()
    }

    fn params_schema(&self) -> Value {
        self.0.params_schema()
    }

    async fn facts(&self, world: &Seen<O>, params: &Value) -> Result<Value, Coded> {
        self.0.facts(&world.world, params).await
    }

    fn plan(&self, params: &Value, facts: &Value) -> Result<Plan<Seen<O>>, Coded> {
        let Plan { flow, title, nodes, claims, disrupts, sections, warnings } = self.0.plan(params, facts)?;
        let sections = sections.into_iter().map(section).collect();
        Ok(Plan { flow, title, nodes, claims, disrupts, sections, warnings })
    }
}

fn section<O: Send + Sync + 'static>(section: Section<World>) -> Section<Seen<O>> {
    match section {
        Section::Stage(one) => Section::Stage(stage(one)),
        Section::Group { width, stop_after, lanes } => {
            let lane =
                |lane: Lane<World>| Lane { node: lane.node, stages: lane.stages.into_iter().map(stage).collect() };
            Section::Group { width, stop_after, lanes: lanes.into_iter().map(lane).collect() }
        }
    }
}

fn stage<O: Send + Sync + 'static>(stage: Stage<World>) -> Stage<Seen<O>> {
    let step = |step: Arc<dyn Step<World>>| Arc::new(StepOn(step)) as Arc<dyn Step<Seen<O>>>;
    Stage { name: stage.name, no_return: stage.no_return, steps: stage.steps.into_iter().map(step).collect() }
}

/// The same context for the world inside. What a step says is heard by nobody: the matrix judges by the outside alone.
fn inner<'a, O>(cx: &'a StepCx<'_, Seen<O>>) -> StepCx<'a, World> {
    let attempt = Attempt {
        run: cx.run.clone(),
        step: cx.step.clone(),
        number: cx.attempt,
        unresolved: cx.unresolved.clone(),
        undoing: false,
        acted_before: !cx.unresolved.is_empty(),
        resumed: cx.resumed,
    };
    StepCx::new(
        &cx.world.world,
        &attempt,
        cx.fence.clone(),
        cx.cancelled.clone(),
        cx.clock.clone(),
        Arc::new(|_, _, _| {}),
    )
}

#[async_trait]
impl<O: Send + Sync + 'static> Step<Seen<O>> for StepOn {
    fn id(&self) -> StepId {
        self.0.id()
    }

    fn summary(&self) -> String {
        self.0.summary()
    }

    fn node(&self) -> Option<NodeName> {
        self.0.node()
    }

    fn disrupts(&self) -> Option<NodeName> {
        self.0.disrupts()
    }

    fn reads_only(&self) -> bool {
        self.0.reads_only()
    }

    fn policy(&self) -> Policy {
        self.0.policy()
    }

    async fn precheck(&self, cx: &StepCx<'_, Seen<O>>) -> Result<(), StepError> {
        self.0.precheck(&inner(cx)).await
    }

    async fn satisfied(&self, cx: &StepCx<'_, Seen<O>>) -> Result<bool, StepError> {
        self.0.satisfied(&inner(cx)).await
    }

    async fn act(&self, cx: &StepCx<'_, Seen<O>>) -> Result<Vec<String>, StepError> {
        self.0.act(&inner(cx)).await
    }

    async fn undo(&self, cx: &StepCx<'_, Seen<O>>) -> Result<(), StepError> {
        self.0.undo(&inner(cx)).await
    }
}

#[async_trait]
impl<O: Send + Sync + 'static, A: Admission<World>> Admission<Seen<O>> for AdmissionOn<A> {
    async fn admit(&self, world: &Seen<O>, request: &AdmissionRequest) -> Result<(), StepError> {
        self.0.admit(&world.world, request).await
    }
}
