//! Runs, as clients ask for them.

use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_events::Actor;
use slipway_flow::Command;
use slipway_proto::coordinator as wire;
use slipway_proto::coordinator::flow_service_server::FlowService;
use slipway_proto::params;
use tonic::{Request, Response, Status};

use super::answer::refuse;
use super::plan::to_wire;
use super::run::{Watching, show, stream};
use crate::give_up::{GivenUp, give_up};
use crate::runs::{Runs, Start};
use crate::world::World;

/// The service.
pub(super) struct FlowApi {
    pub(super) world: Arc<World>,
    pub(super) runs: Runs,
}

type Answer<T> = Result<Response<T>, Status>;

fn done<T>(result: Result<T, Coded>) -> Answer<T> {
    result.map(Response::new).map_err(|error| refuse(&error))
}

/// Who asks, as the journal and the nodes name them.
fn actor<T>(request: &Request<T>) -> Result<Actor, Status> {
    Ok(Actor(slipway_net::identity(request)?.short()))
}

impl FlowApi {
    async fn steer(&self, text: &str, command: Command, actor: Actor) -> Result<String, Coded> {
        let run = self.runs.find(text).await?;
        Ok(self.runs.command(&run, command, actor).await?.to_string())
    }

    async fn pause(&self, request: &wire::PauseRunRequest, actor: Actor) -> Result<wire::PauseRunResponse, Coded> {
        let run = self.runs.find(&request.run).await?;
        let command = if request.now { Command::PauseNow } else { Command::Pause };
        self.runs.command(&run, command, actor).await?;
        let summary = self.runs.summary(&self.runs.book(&run).await?);
        Ok(wire::PauseRunResponse { state: summary.state, says: summary.why })
    }

    async fn give_up(&self, text: &str, reason: &str, actor: Actor) -> Result<GivenUp, Coded> {
        let run = self.runs.find(text).await?;
        give_up(&self.world, &self.runs, &run, (reason, actor)).await
    }

    async fn get(&self, text: &str) -> Result<wire::GetRunResponse, Coded> {
        let run = self.runs.find(text).await?;
        Ok(show(&self.runs, &self.runs.book(&run).await?))
    }

    async fn watch(&self, request: &wire::WatchRunRequest) -> Result<Watching, Coded> {
        let run = self.runs.find(&request.run).await?;
        Ok(stream(self.runs.follow(&run, request.from_seq).await?))
    }
}

#[tonic::async_trait]
impl FlowService for FlowApi {
    type WatchRunStream = Watching;

    async fn list_flows(&self, _: Request<wire::ListFlowsRequest>) -> Answer<wire::ListFlowsResponse> {
        let describe = |flow: &Arc<dyn slipway_flow::Flow<World>>| wire::FlowDescription {
            name: flow.name().to_owned(),
            summary: flow.summary().to_owned(),
            params_schema: flow.params_schema().to_string(),
        };
        done(Ok(wire::ListFlowsResponse { flows: self.runs.runner.flows().all().map(describe).collect() }))
    }

    async fn plan_flow(&self, request: Request<wire::PlanFlowRequest>) -> Answer<wire::PlanFlowResponse> {
        let actor = actor(&request)?;
        let request = request.into_inner();
        let params = params::to_json(request.params.unwrap_or_default());
        let plan = self.runs.plan(&request.flow, &params, &actor).await;
        done(plan.map(|view| wire::PlanFlowResponse { plan: Some(to_wire(&view)) }))
    }

    async fn start_flow(&self, request: Request<wire::StartFlowRequest>) -> Answer<wire::StartFlowResponse> {
        let actor = actor(&request)?;
        let request = request.into_inner();
        let start = Start {
            flow: request.flow,
            params: params::to_json(request.params.unwrap_or_default()),
            actor,
            key: request.idempotency_key,
            fingerprint: request.expect_fingerprint,
        };
        done(self.runs.start(start).await.map(|(run, existed)| wire::StartFlowResponse { run: run.0, existed }))
    }

    async fn list_runs(&self, request: Request<wire::ListRunsRequest>) -> Answer<wire::ListRunsResponse> {
        let request = request.into_inner();
        let limit = if request.limit == 0 { 100 } else { request.limit as usize };
        done(self.runs.list(request.all, limit).await.map(|runs| wire::ListRunsResponse { runs }))
    }

    async fn get_run(&self, request: Request<wire::GetRunRequest>) -> Answer<wire::GetRunResponse> {
        done(self.get(&request.into_inner().run).await)
    }

    async fn watch_run(&self, request: Request<wire::WatchRunRequest>) -> Answer<Watching> {
        done(self.watch(&request.into_inner()).await)
    }

    async fn pause_run(&self, request: Request<wire::PauseRunRequest>) -> Answer<wire::PauseRunResponse> {
        let actor = actor(&request)?;
        done(self.pause(&request.into_inner(), actor).await)
    }

    async fn resume_run(&self, request: Request<wire::ResumeRunRequest>) -> Answer<wire::ResumeRunResponse> {
        let actor = actor(&request)?;
        let state = self.steer(&request.into_inner().run, Command::Resume, actor).await;
        done(state.map(|state| wire::ResumeRunResponse { state }))
    }

    async fn abort_run(&self, request: Request<wire::AbortRunRequest>) -> Answer<wire::AbortRunResponse> {
        let actor = actor(&request)?;
        let state = self.steer(&request.into_inner().run, Command::Abort, actor).await;
        done(state.map(|state| wire::AbortRunResponse { state }))
    }

    async fn give_up_run(&self, request: Request<wire::GiveUpRunRequest>) -> Answer<wire::GiveUpRunResponse> {
        let actor = actor(&request)?;
        let request = request.into_inner();
        let given_up = self.give_up(&request.run, &request.reason, actor).await;
        done(given_up.map(|given_up| wire::GiveUpRunResponse {
            state: given_up.state.to_string(),
            remaining_by_hand: given_up.remaining_by_hand,
            silent_hosts: given_up.silent,
        }))
    }

    async fn approve_run(&self, request: Request<wire::ApproveRunRequest>) -> Answer<wire::ApproveRunResponse> {
        let actor = actor(&request)?;
        let text = request.into_inner().run;
        let own = match self.runs.find(&text).await {
            Ok(run) => self.runs.book(&run).await.is_ok_and(|book| book.actor == actor),
            Err(error) => return Err(refuse(&error)),
        };
        if own {
            let error = Coded::new(Code::AUTH_ROLE, "a run is approved by somebody else than who asked for it");
            return Err(refuse(&error));
        }
        let state = self.steer(&text, Command::Approve, actor).await;
        done(state.map(|state| wire::ApproveRunResponse { state }))
    }
}
