//! The one way in which anything is changed: show the plan, ask, start exactly that plan, follow it. Every mutating verb goes through here,
//! so none can forget to ask.

use serde_json::Value;
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::{Plan, PlanFlowRequest, StartFlowRequest, StartFlowResponse};

use crate::connect::{PLANNING, Session, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Format, Screen};
use crate::shapes;
use crate::show::plan::{self, Detail};
use crate::watch::follow::{Follow, is_lost, pause_before};

/// What is wished for: a flow and its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// The flow's name.
    pub flow: &'static str,
    /// Its parameters, a JSON object.
    pub params: Value,
}

/// How it is carried out.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Do not ask.
    pub yes: bool,
    /// Stop after the plan.
    pub dry_run: bool,
    /// Do not follow the run.
    pub detach: bool,
    /// Say more.
    pub verbose: bool,
    /// Names this very request: sent again, it gives the same run and no second one.
    pub idempotency_key: String,
}

/// How often a start is sent again when its answer was lost. Safe, because the key stays the same.
const STARTS: u32 = 5;

/// Plans, asks, starts and follows.
pub async fn propose(session: Session, screen: &mut Screen, wish: Wish, manner: &Manner) -> Result<Exit, Failure> {
    let plan = planned(&session, &wish).await?;
    show(screen, &plan, manner)?;
    if manner.dry_run {
        return Ok(Exit::Done);
    }
    if plan.steps.is_empty() {
        screen.aside("nothing to do")?;
        return Ok(Exit::Done);
    }
    confirm(screen, manner.yes)?;
    let started = start(&session, screen, &wish, &plan, manner).await?;
    announce(screen, &started, manner.detach)?;
    if manner.detach {
        return Ok(Exit::Done);
    }
    Follow::new(session, &started.run, &plan, manner.verbose).to_its_end(screen).await
}

async fn planned(session: &Session, wish: &Wish) -> Result<Plan, Failure> {
    let params = slipway_proto::params::from_json(wish.params.clone());
    let request = PlanFlowRequest { flow: wish.flow.to_owned(), params: Some(params) };
    let answer = session.flows().plan_flow(within(PLANNING, request)).await?.into_inner();
    answer.plan.ok_or_else(|| Coded::new(Code::WIRE_BAD_REQUEST, "the coordinator answered without a plan").into())
}

fn show(screen: &mut Screen, plan: &Plan, manner: &Manner) -> Result<(), Failure> {
    match screen.format() {
        Format::Json if manner.dry_run => screen.json(&shapes::Plan::from(plan))?,
        Format::Json => screen.json_line(&shapes::Line::Plan { plan: plan.into() })?,
        Format::Text => {
            let detail = if manner.dry_run { Detail::EveryChange } else { Detail::Counted };
            screen.line(plan::text(plan, detail, screen.width()).trim_end())?;
        }
    }
    Ok(())
}

/// Asks whether what was just shown is to be done.
pub fn confirm(screen: &mut Screen, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !screen.can_ask {
        screen.aside("there is no terminal to ask at; --yes does it without asking, --dry-run only shows it")?;
        return Err(Failure::Declined);
    }
    match screen.ask("Proceed? [y/N]")?.as_deref() {
        Some("y" | "Y" | "yes" | "Yes") => Ok(()),
        _ => Err(Failure::Declined),
    }
}

async fn start(
    session: &Session,
    screen: &mut Screen,
    wish: &Wish,
    plan: &Plan,
    manner: &Manner,
) -> Result<StartFlowResponse, Failure> {
    let mut session = session.clone();
    let mut tries = 1;
    loop {
        let request = StartFlowRequest {
            flow: wish.flow.to_owned(),
            params: Some(slipway_proto::params::from_json(wish.params.clone())),
            idempotency_key: manner.idempotency_key.clone(),
            expect_fingerprint: plan.fingerprint.clone(),
        };
        let status = match session.flows().start_flow(within(PLANNING, request)).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        let error = slipway_proto::status::from_status(&status);
        if !is_lost(&status) {
            return Err(error.into());
        }
        if tries == STARTS {
            return Err(lost(error, &manner.idempotency_key));
        }
        screen.aside(format!("no answer ({}); asking again with the same key", error.message))?;
        tokio::time::sleep(pause_before(tries)).await;
        tries += 1;
        // Not reached this time either: the next round says so.
        let _ = session.again().await;
    }
}

fn lost(error: Coded, key: &str) -> Failure {
    let way = format!(
        "it may have started: look with `slipway run list`, or repeat with --idempotency-key {key}, which never starts a second run"
    );
    Coded::new(Code::WIRE_DEADLINE, error.message).do_this(way).into()
}

fn announce(screen: &mut Screen, started: &StartFlowResponse, detach: bool) -> Result<(), Failure> {
    let run = &started.run;
    if screen.format() == Format::Json {
        screen.json_line(&shapes::Line::Started { run: run.clone(), existed: started.existed })?;
        return Ok(());
    }
    let id = crate::show::short(run);
    let known = if started.existed { ", which this key had started before" } else { "" };
    let rest = if detach {
        format!("`slipway run watch {id}` follows it")
    } else {
        format!("ctrl-C leaves it running; `slipway run watch {id}` comes back")
    };
    screen.line(format!("run {id}{known} ({rest})"))?;
    Ok(())
}
